"""The coordinator's core with a world around it that does at once what it decides."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from engine.coordinator.custody import MOST_OPEN, Arrival, Custody
from engine.coordinator.decisions import (
    Admit,
    Compare,
    Decision,
    Found,
    Persist,
    Plan,
    RefuseDouble,
    Seal,
    Survey,
)
from engine.coordinator.members import Members
from engine.spool.layout import object_id

QUIET, CAP, REPEAT = 60.0, 3600.0, 300.0
A, B, C, D = "a" * 16, "b" * 16, "c" * 16, "d" * 16


@dataclass
class World:
    """Objects are (study, SOP Instance UID, bytes) by id. `auto` kinds of decision are answered at once,
    others wait in `held`.
    """

    custody: Custody = field(init=False)
    objects: dict[str, tuple[str, str, bytes]] = field(default_factory=dict)
    where: dict[str, str] = field(default_factory=dict)  # object → pass that it was admitted to
    studies: dict[str, str] = field(default_factory=dict)  # pass → study
    origins: list[str] = field(default_factory=list)
    planned: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    sealed: list[str] = field(default_factory=list)
    journal: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    held: list[Decision] = field(default_factory=list)
    hold: tuple[type, ...] = ()
    marks: tuple[set[str], set[str]] = field(default_factory=lambda: (set(), set()))
    now: float = 0.0
    next_sequence: int = 0
    repeat: float = 0.0
    most_open: int = MOST_OPEN

    def __post_init__(self) -> None:
        numbers = iter(range(1_000_000))
        members = Members(lambda pass_id: self.journal.get(pass_id, []))
        self.custody = Custody(
            QUIET,
            CAP,
            members,
            lambda: f"{next(numbers):032x}",
            lambda: self.marks,
            self.repeat,
            self.most_open,
        )

    def send(self, association: str, study: str, sop: str, data: bytes = b"1") -> str:
        """One object arrives; its id."""
        identifier = object_id(association, self.next_sequence)
        self.next_sequence += 1
        self.objects[identifier] = (study, sop, data)
        self.do(self.custody.arrived([identifier], self.now))
        return identifier

    def associations(self, opened: Iterable[str] = (), aborted: Iterable[str] = ()) -> None:
        self.marks = set(opened), set(aborted)
        self.custody.associations(*self.marks)

    def wait(self, seconds: float, *, complete: bool = True) -> None:
        self.now += seconds
        self.do(self.custody.tick(self.now, complete=complete))

    def do(self, decisions: Iterable[Decision]) -> None:
        for decision in decisions:
            if isinstance(decision, self.hold):
                self.held.append(decision)
            else:
                self.answer(decision)

    def release(self) -> None:
        """Answers what was held, and holds nothing more."""
        self.hold = ()
        held, self.held = self.held, []
        self.do(held)

    def answer(self, decision: Decision) -> None:
        match decision:
            case Survey():
                study, sop, data = self.objects[decision.identifier]
                arrival = Arrival(decision.identifier, study, sop, len(data))
                self.do(self.custody.surveyed(arrival, self.now))
            case Found():
                self.studies[decision.pass_id] = decision.study
                self.origins.append(decision.origin)
                self.do(self.custody.founded(decision.pass_id))
            case Admit():
                assert decision.identifier not in self.where, "admitted twice"
                assert decision.pass_id not in self.sealed, "admitted to a sealed pass"
                assert self.studies[decision.pass_id] == self.objects[decision.identifier][0]
                self.where[decision.identifier] = decision.pass_id
                self.journal.setdefault(decision.pass_id, []).append((decision.sop, decision.identifier))
                self.do([Plan(decision.identifier, decision.pass_id, decision.size)])
            case Plan():
                assert decision.pass_id not in self.sealed, "planned without a key"
                self.planned.append(decision.identifier)
                self.custody.planned(decision.identifier, decision.pass_id)
            case Compare():
                same = self.objects[decision.identifier][2] == self.objects[decision.first][2]
                self.do(self.custody.compared(decision.identifier, decision.pass_id, same, self.now))
            case RefuseDouble():
                self.refused.append(decision.identifier)
            case Persist():
                self.do(self.custody.persisted(decision.pass_id, {}))
            case Seal():
                assert decision.pass_id not in self.sealed, "sealed twice"
                self.sealed.append(decision.pass_id)
