"""Readers of other frameworks' weight files, and the rules that rename and reshape their tensors."""
