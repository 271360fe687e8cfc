"""Released weights of other frameworks: their list, download and conversion to this pipeline's files."""
