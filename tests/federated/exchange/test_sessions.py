"""A part of one exchange says so where it is asked for another, or to go on without a client."""

from types import SimpleNamespace

import pytest

from fedbytes.federated.exchange.sessions import ClientSession, ServerSession


class OnceThere(ServerSession):
    def receive(self, client, frame):
        """Take nothing in."""

    def uploads(self):
        return []


class OnceHere(ClientSession):
    def begin(self, trained):
        return [b"once"]


def test_a_client_answers_nothing_it_was_not_asked():
    session = OnceHere()
    assert session.answer() == []
    assert (session.opened, session.mean_loss) == (None, None)
    with pytest.raises(ValueError, match="round 4: this aggregation has one exchange alone"):
        session.receive(SimpleNamespace(round=4))


def test_a_server_needs_everyone_unless_its_part_says_otherwise():
    session = OnceThere()
    assert (session.train_loss, session.counted, session.outcome) == (None, None, {})
    assert session.messages(3) == []
    with pytest.raises(ValueError, match="OnceThere cannot continue without what client 3 sent"):
        session.forget(3)
    with pytest.raises(NotImplementedError, match="OnceThere has one exchange alone"):
        session.next_exchange()
