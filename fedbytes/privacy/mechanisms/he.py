"""Homomorphic encryption: the server adds ciphertexts that clients alone can open."""

from dataclasses import dataclass
from typing import Any, ClassVar

from fedbytes.plugin_fields import stated_fields
from fedbytes.privacy.homomorphic.settings import EncryptionFields
from fedbytes.privacy.privacy import PRIVACY, Privacy


@PRIVACY.register("he")
@dataclass(frozen=True)
class HomomorphicEncryption(EncryptionFields, Privacy):
    """The server adds what it cannot read, and clients decrypt the sum (BFV 2012, CKKS 2017).

    All clients share one secret key. With `share: 1` the server learns nothing of the updates nor
    of the model, and of numbers of examples the power of two above each: it sends the encrypted
    sum to all, each of whom decrypts it and moves its model. With less it reads the other
    coordinates of each client and of the sum.
    One client that hands the key to the server opens everything. So clients do what the server
    would: no server optimiser, no catching up of who missed a round, all clients in each round;
    and the model is evaluated at a client.

    `bfv` encrypts the integers of a codec that adds, several in a slot, and its sums are exact;
    `ckks` encrypts the floats, off by about 1e-9, behind uplink fp32. Degree 4096, 108 bits of
    modulus, 128 bits of security. Of 15,360 numbers of 16 levels from 10 clients, 31 kB go up and
    62 kB down a client and round, 0.50 and 1.00 times fp32. Keys are drawn from the run's seed:
    simulation randomness, not secrets.

    Attributes:
        scheme: `bfv` or `ckks`.
        share: of the coordinates that are encrypted, those with the largest |weight * last update|;
            all of them in the first round. 0 is the plain run.
        weights: of clients in the mean: by their `examples`, or `uniform`.

    Example:
        >>> make_privacy("he", scheme="ckks").carrier
        {'name': 'encrypted_sum', 'scheme': 'ckks', 'share': 1.0, 'weights': 'examples'}
    """

    examples: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"share": 0.5})
    example_uplink: ClassVar[dict[str, Any]] = {"name": "fixed", "clip": 4.0, "bits": 16}

    @property
    def bounds_what_is_sent(self) -> bool:
        """False: what is summed may be of any length, and error feedback may be in it."""
        return False

    @property
    def carrier(self) -> dict[str, Any] | None:
        """The encrypted sum, with the same fields; none where nothing is encrypted."""
        return None if self.share == 0 else {"name": "encrypted_sum", **stated_fields(self)}
