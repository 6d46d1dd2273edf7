"""The people of the demo. They exist in demo mode only and come in by one-time links."""

from dataclasses import dataclass

from accounts.models import Role, User
from accounts.people import create_person


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
CAST = (
    Character("Alice", (Role.CREATOR,), "Alice’s Studio", "creator: registers, asks for consent"),
    Character("Bob", (Role.CREATOR,), "The Morning Paper", "creator: one of his works is flagged"),
    Character("Rita", (Role.REVIEWER,), OFFICE, "reviewer: judges what was flagged"),
    Character("Ravi", (Role.REVIEWER, Role.LEAD_REVIEWER), OFFICE, "lead reviewer: decides appeals"),
    Character("Rosa", (Role.REVIEWER,), OFFICE, "reviewer: takes what an appeal opened again"),
    Character("Greta", (Role.REGULATOR,), "The Regulator", "regulator: queries, exports, verifies"),
    Character("Olga", (Role.OPERATOR, Role.POLICY_EDITOR), OFFICE, "operator: keeps the office running"),
)


def ensure_cast() -> dict[str, User]:
    """The demo people by name, made where missing."""
    return {character.name: _ensure(character) for character in CAST}


def _ensure(character: Character) -> User:
    found = User.objects.filter(email=character.email).first()
    return found or create_person(
        character.email, character.name, roles=character.roles, organisation=character.organisation
    )
