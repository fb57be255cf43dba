"""Proofs that every signature survives the type checkers."""
