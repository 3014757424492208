"""Homomorphic encryption: a sum of ciphertexts, which clients decrypt."""

from fedbytes.federated.aggregations.encrypted_sum.aggregation import EncryptedSum as EncryptedSum
