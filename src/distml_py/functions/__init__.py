"""Compositions of ops by family; nn/functional.py is their one flat namespace."""
