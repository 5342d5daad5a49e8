"""What is asked of the index: a Query as statements of its shape, and the pages that come of it."""
