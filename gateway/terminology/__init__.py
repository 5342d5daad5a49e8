"""Code systems, value sets and concept maps, as search, validation and the terminology operations ask for them."""
