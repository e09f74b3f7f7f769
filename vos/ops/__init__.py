"""Array functions, each written once."""
