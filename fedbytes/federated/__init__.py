"""The round between a server and clients, and what takes part in it.

Names load on first use.
"""

from typing import TYPE_CHECKING

from fedbytes.process.lazy_face import lazy_face

if TYPE_CHECKING:
    from fedbytes.federated.adversarial.perturbation import Perturbation as Perturbation
    from fedbytes.federated.adversarial.perturbation import climb_objective as climb_objective
    from fedbytes.federated.adversarial.suffix_search import Suffix as Suffix
    from fedbytes.federated.adversarial.suffix_search import find_suffix as find_suffix
    from fedbytes.federated.adversarial.victim import TargetText as TargetText
    from fedbytes.federated.adversarial.victim import TextOutcome as TextOutcome
    from fedbytes.federated.adversarial.victim import Victim as Victim
    from fedbytes.federated.adversarial.victim import vocabulary_of as vocabulary_of
    from fedbytes.federated.adversarial.vocabulary import Vocabulary as Vocabulary
    from fedbytes.federated.aggregation import AGGREGATIONS as AGGREGATIONS
    from fedbytes.federated.aggregation import Aggregation as Aggregation
    from fedbytes.federated.aggregation import DecodeEach as DecodeEach
    from fedbytes.federated.aggregation import make_aggregation as make_aggregation
    from fedbytes.federated.algorithm import ALGORITHMS as ALGORITHMS
    from fedbytes.federated.algorithm import Algorithm as Algorithm
    from fedbytes.federated.algorithm import ClientMemory as ClientMemory
    from fedbytes.federated.algorithm import Compatibility as Compatibility
    from fedbytes.federated.algorithm import Trained as Trained
    from fedbytes.federated.algorithm import make_algorithm as make_algorithm
    from fedbytes.federated.algorithms.fedavg import FedAvg as FedAvg
    from fedbytes.federated.averaging import Averaging as Averaging
    from fedbytes.federated.averaging import weighted_mean as weighted_mean
    from fedbytes.federated.client.client import Client as Client
    from fedbytes.federated.client.client_state import ClientState as ClientState
    from fedbytes.federated.clock import Clock as Clock
    from fedbytes.federated.context import RoundContext as RoundContext
    from fedbytes.federated.exchange.sessions import ClientSession as ClientSession
    from fedbytes.federated.exchange.sessions import ServerSession as ServerSession
    from fedbytes.federated.federation import Federation as Federation
    from fedbytes.federated.fit.link_fit import compatibility as compatibility
    from fedbytes.federated.hooks import Context as Context
    from fedbytes.federated.hooks import Hooks as Hooks
    from fedbytes.federated.hooks import Upload as Upload
    from fedbytes.federated.local_clients import LocalClients as LocalClients
    from fedbytes.federated.lora.client_ranks import Ranks as Ranks
    from fedbytes.federated.lora.lora_averaging import LoraAveraging as LoraAveraging
    from fedbytes.federated.lora.lora_averaging import PlainServer as PlainServer
    from fedbytes.federated.lora.named_tensors import pack_tensors as pack_tensors
    from fedbytes.federated.lora.named_tensors import unpack_tensors as unpack_tensors
    from fedbytes.federated.lora.subspace import Reduced as Reduced
    from fedbytes.federated.plugins.attack import ATTACKS as ATTACKS
    from fedbytes.federated.plugins.attack import Attack as Attack
    from fedbytes.federated.plugins.attack import Constraint as Constraint
    from fedbytes.federated.plugins.attack import Deltas as Deltas
    from fedbytes.federated.plugins.attack import make_attack as make_attack
    from fedbytes.federated.plugins.attack_probe import AttackProbe as AttackProbe
    from fedbytes.federated.plugins.audit import AUDITS as AUDITS
    from fedbytes.federated.plugins.audit import Audit as Audit
    from fedbytes.federated.plugins.audit import AuditedRun as AuditedRun
    from fedbytes.federated.plugins.audit import Heard as Heard
    from fedbytes.federated.plugins.audit import Reads as Reads
    from fedbytes.federated.plugins.audit import Row as Row
    from fedbytes.federated.plugins.audit import make_audit as make_audit
    from fedbytes.federated.plugins.audit_truth import AuditTruth as AuditTruth
    from fedbytes.federated.plugins.cleaner import CLEANERS as CLEANERS
    from fedbytes.federated.plugins.cleaner import Cleaner as Cleaner
    from fedbytes.federated.plugins.cleaner import make_cleaner as make_cleaner
    from fedbytes.federated.plugins.defense import DEFENSES as DEFENSES
    from fedbytes.federated.plugins.defense import Defense as Defense
    from fedbytes.federated.plugins.defense import LossOf as LossOf
    from fedbytes.federated.plugins.defense import cap_claims as cap_claims
    from fedbytes.federated.plugins.defense import make_defense as make_defense
    from fedbytes.federated.plugins.planted_rows import PlantedRows as PlantedRows
    from fedbytes.federated.plugins.round_plugins import RoundPlugins as RoundPlugins
    from fedbytes.federated.plugins.round_plugins import make_plugins as make_plugins
    from fedbytes.federated.plugins.stage_context import PluginState as PluginState
    from fedbytes.federated.plugins.stage_context import StageContext as StageContext
    from fedbytes.federated.plugins.stage_context import Wire as Wire
    from fedbytes.federated.plugins.text_attack import TEXT_ATTACKS as TEXT_ATTACKS
    from fedbytes.federated.plugins.text_attack import TextAttack as TextAttack
    from fedbytes.federated.plugins.text_attack import WordAttack as WordAttack
    from fedbytes.federated.plugins.text_attack import make_text_attack as make_text_attack
    from fedbytes.federated.protocol.channel import Channel as Channel
    from fedbytes.federated.protocol.ledger import Entry as Entry
    from fedbytes.federated.protocol.ledger import Ledger as Ledger
    from fedbytes.federated.protocol.link import Link as Link
    from fedbytes.federated.protocol.link import make_link as make_link
    from fedbytes.federated.protocol.messages import KIND_NAMES as KIND_NAMES
    from fedbytes.federated.protocol.messages import claim_examples as claim_examples
    from fedbytes.federated.protocol.messages import frame_exchange as frame_exchange
    from fedbytes.federated.round import run_round as run_round
    from fedbytes.federated.server.round_report import RoundReport as RoundReport
    from fedbytes.federated.server.server import Server as Server
    from fedbytes.federated.side_by_side.local_plan import LocalPlan as LocalPlan
    from fedbytes.federated.simulation import Simulation as Simulation
    from fedbytes.federated.state import State as State
    from fedbytes.federated.state import initial_state as initial_state
    from fedbytes.federated.testing.aggregation_contract import (
        check_aggregation as check_aggregation,
    )
    from fedbytes.federated.testing.algorithm_contract import check_algorithm as check_algorithm
    from fedbytes.federated.testing.strict_client import Rehearsal as Rehearsal
    from fedbytes.federated.testing.tiny_models import TinyRegression as TinyRegression
    from fedbytes.federated.trainable import Perturbable as Perturbable
    from fedbytes.federated.trainable import Steppable as Steppable
    from fedbytes.federated.trainable import Trainable as Trainable

__getattr__, __dir__, __all__ = lazy_face(__name__)
