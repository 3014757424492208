"""Parts of homomorphic encryption: a lattice scheme whose ciphertexts add, and how numbers fit."""
