"""Readers of other frameworks' weight files, and the rules that rename and turn their tensors."""
