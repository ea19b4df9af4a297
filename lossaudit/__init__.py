"""Is the loss that a training run optimised and logged the loss that it claims?"""

__version__ = "0.1.0"
