"""Which audits find nothing in what a run's messages and model are."""

from fedbytes.federated.aggregation import Aggregation
from fedbytes.federated.fit.sent_layouts import SentLayouts
from fedbytes.federated.plugins.audit import Audit
from fedbytes.federated.plugins.audit_truth import AuditTruth
from fedbytes.federated.plugins.round_plugins import RoundPlugins


def refuse_audits(
    plugins: RoundPlugins, aggregation: Aggregation, sent: SentLayouts, known: AuditTruth
) -> str | None:
    """Return which audit reads what there is not, or has nothing to be scored by, or None.

    Args:
        plugins: of the run.
        aggregation: how the server opens deltas.
        sent: what clients hold, train and send.
        known: what audits are scored by.
    """
    reasons = (_refuse_audit(one, aggregation, sent, known) for one in plugins.audit)
    return next((reason for reason in reasons if reason), None)


def _refuse_audit(
    audit: Audit, aggregation: Aggregation, sent: SentLayouts, known: AuditTruth
) -> str | None:
    if audit.reads == "deltas" and not aggregation.opens_each:
        return (
            f"audit {audit.name!r} reads each client's delta, of which aggregation "
            f"{aggregation.name!r} shows the sum alone: set its of to sum or model if "
            "it has that field, or set aggregation.name=decode_each"
        )
    if audit.reads != "model" and not (sent.held == sent.model.layout and sent.are_of_what_is_held):
        return (
            f"audit {audit.name!r} reads what clients hold and send as what is trained, "
            f"and algorithm {sent.algorithm.name!r} holds or sends something else: take "
            "one that averages, such as fedavg"
        )
    refusal = audit.refuses_model(sent.model, sent.up(2))
    if refusal:
        return f"audit {audit.name!r}: {refusal}"
    if audit.needs_set_aside and not known.victims:
        return (
            f"audit {audit.name!r} compares with texts that nobody trains on, and none of "
            f"the {len(known.own)} clients has one set aside: raise set_aside"
        )
    return None
