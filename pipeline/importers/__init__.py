"""Other frameworks' weights: readers of their files, rules that rename and turn their tensors, the list of releases."""
