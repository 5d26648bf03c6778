"""Claims from elsewhere than the rules: from a file, or written by a language model.

They become the statements of the samples before anything is planted, so that whatever is made of a
sample afterwards (prompts, digests, keys of the store) follows from them.
"""

from pytest_vlmrobust.claiming.checks import fault_of
from pytest_vlmrobust.claiming.files import ClaimRow, claim_rows, read_claims, with_claims, write_claims
from pytest_vlmrobust.claiming.writer import ClaimWriter, Written
from pytest_vlmrobust.conditions.claims import Claim, claim, claims, count_rules

__all__ = [
    "Claim",
    "ClaimRow",
    "ClaimWriter",
    "Written",
    "claim",
    "claim_rows",
    "claims",
    "count_rules",
    "fault_of",
    "read_claims",
    "with_claims",
    "write_claims",
]
