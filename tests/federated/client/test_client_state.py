"""What of a client's state travels to the process that trains for it, and what comes back."""

from dataclasses import fields

import torch

from fedbytes.federated.client.client_state import ClientState


def kept():
    return ClientState(
        version=3,
        memory={"momentum": torch.ones(2)},
        senders={"": {"residual": torch.ones(3)}},
        guards={"": {"since": 1}},
        announced=7,
        plugins={"clean 0 x": {"seen": 1}},
        dropped=4,
        planted=3,
        dropped_planted=2,
        root=b"texts",
    )


def test_a_new_state_has_nothing_to_say():
    assert ClientState().plain() == {}
    assert set(kept().plain()) == {field.name for field in fields(ClientState)}


def test_training_elsewhere_reads_all_but_what_encoding_keeps():
    assert set(kept().plain()) - set(kept().read_by_training()) == {"senders", "guards"}


def test_what_training_changes_is_what_it_reads_and_no_message_sets():
    changed = set(kept().changed_by_training())
    assert set(kept().read_by_training()) - changed == {"version", "announced", "root"}
    assert set(ClientState().changed_by_training()) == changed  # what is as new comes back too


def test_what_comes_back_leaves_the_memory_of_encoding():
    here = kept()
    there = ClientState(**here.read_by_training())
    there.memory, there.dropped = {}, 0
    vars(here).update(there.changed_by_training())
    assert (here.memory, here.dropped, here.planted) == ({}, 0, 3)
    assert here.senders[""]["residual"].tolist() == [1, 1, 1]
