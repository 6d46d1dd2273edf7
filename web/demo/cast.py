"""The people of the demo. They exist in demo mode only and come in by one-time links."""

from dataclasses import dataclass

from accounts.models import REVIEWERS, Role, User
from accounts.people import create_person
from policy.audits import regulators
from policy.consents import bases
from policy.desk import reviewers, roster
from policy.models import Category, ProcessingBasis, Purpose, RegulatorAccount


@dataclass(frozen=True)
class Character:
    """Somebody of the demo; does: one line for the terminal."""

    name: str
    roles: tuple[Role, ...]
    organisation: str
    does: str

    @property
    def email(self) -> str:
        return f"{self.name.lower()}@demo.example"


OFFICE = "The Office"
# So that the demo's faces are examined; a real office writes its own assessment before it records one.
BASIS = "Assessment of the demonstration office: example people only, nobody is identified, everybody may object."
TERMS = regulators.Terms(
    authority="The Regulator",
    jurisdictions=["EU"],
    legal_basis="Regulation (EU) 2022/2065, Articles 51 and 72 (an example)",
    scopes=list(RegulatorAccount.Scope),
    days=366,
)
CAST = (
    Character("Alice", (Role.CREATOR,), "Alice’s Studio", "creator: registers, asks for consent"),
    Character("Bob", (Role.CREATOR,), "The Morning Paper", "creator: one of his works is flagged"),
    Character("Rita", (Role.REVIEWER,), OFFICE, "reviewer: judges what was flagged"),
    Character("Ravi", (Role.REVIEWER, Role.LEAD_REVIEWER), OFFICE, "lead reviewer: decides appeals"),
    Character("Rosa", (Role.REVIEWER,), OFFICE, "reviewer: takes what an appeal opened again"),
    Character("Paula", (Role.POLICY_EDITOR,), OFFICE, "policy editor: approves a change of the rules"),
    Character("Lena", (Role.LEGAL,), OFFICE, "lawyer: reads the rules and approves them"),
    Character("Greta", (Role.REGULATOR,), "The Regulator", "regulator: queries, exports, verifies"),
    Character("Olga", (Role.OPERATOR, Role.POLICY_EDITOR), OFFICE, "operator: keeps the office running"),
)


def ensure_cast() -> dict[str, User]:
    """The demo people by name, made where missing."""
    return {character.name: _ensure(character) for character in CAST}


def _ensure(character: Character) -> User:
    found = User.objects.filter(email=character.email).first()
    user = found or create_person(
        character.email, character.name, roles=character.roles, organisation=character.organisation
    )
    if user.has_role(*REVIEWERS) and reviewers.profile_of(user) is None:
        roster.set_profile(user, by=None, trained=Category.values, languages=["en", "de"])
    if user.has_role(Role.REGULATOR) and regulators.of(user) is None:
        regulators.invite(None, TERMS, email=user.email)
        regulators.activate(user)
    return user


def ensure_basis(people: dict[str, User]) -> None:
    """On which basis the demo looks at faces and voices in its works: recorded by Olga if none is in force."""
    if not bases.in_force(Purpose.DETECT).exists():
        ground = ProcessingBasis.Ground.LEGITIMATE
        bases.record(people["Olga"], purpose=Purpose.DETECT, ground=ground, reference=BASIS)
