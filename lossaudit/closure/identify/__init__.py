"""Which formula does a log follow? Nothing is declared; what fits is searched for and certified."""
