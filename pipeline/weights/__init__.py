"""Released weights of other frameworks: listed, fetched, converted to this pipeline's files."""
