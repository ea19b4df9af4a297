"""The replay witness: weights and sample batches as stored, and the loss computed again."""
