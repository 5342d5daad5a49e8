"""The one tree of errors, and the Issue that each of them carries.

    GatewayError
      Malformed            cannot be parsed
      Invalid              a rule is broken
      Unsupported          type, event, version or parameter that the gateway does not speak
      Unauthenticated      nobody is known to ask
      Forbidden            somebody asks who may not
      NotFound             no such thing
        Gone               it was deleted
      Conflict             another writer was first, or the state does not allow it
      PreconditionFailed   If-Match, or a condition that several resources match
      TooLarge             over a limit that is a setting
      Busy                 try again later: a limit of load is reached
      Unavailable          try again later: the database or a partner is away
      Fault                our own mistake

What each means to a REST client and to an HL7 v2 sender stands in FACES, and nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

Severity = Literal["fatal", "error", "warning", "information"]


@dataclass(frozen=True, slots=True)
class Issue:
    """Anything worth telling, fit for a stranger: what is wrong, where, and what to do next.

    code         R4 issue-type: required, value, invariant, code-invalid, business-rule, not-found, …
    zh, en       the same sentence twice, Chinese first; values of patients stay out of both
    expression   FHIRPaths (Patient.birthDate) or source paths (PID-7) of the place
    severity     error unless said otherwise
    source       FHIR R4 valueset-issue-type.html
    """

    code: str
    zh: str
    en: str
    expression: tuple[str, ...] = ()
    severity: Severity = "error"


class Face(NamedTuple):
    """How one kind of error shows: HTTP status, MSA-1 (HL7 table 0008), and who tries again."""

    http_status: int
    acknowledgement: Literal["AE", "AR"]
    retry: Literal["no", "caller", "later", "limited"]


class GatewayError(Exception):
    """The root: carries every issue found, never only the first.

    GatewayError(Issue(...), Issue(...)), or the short form GatewayError(code, zh=…, en=…, at=…).
    """

    default_code = "exception"
    status: int | None = None  # where one error has several HTTP statuses (Unsupported: 400, 404, 405)

    def __init__(
        self,
        *issues: Issue | str,
        zh: str = "",
        en: str = "",
        at: str | tuple[str, ...] = (),
        status: int | None = None,
    ) -> None:
        found = [issue for issue in issues if isinstance(issue, Issue)]
        codes = [issue for issue in issues if isinstance(issue, str)]
        if zh or en:
            expression = ((at,) if at else ()) if isinstance(at, str) else at
            found.append(Issue(codes[0] if codes else self.default_code, zh, en, expression))
        self.issues: tuple[Issue, ...] = tuple(found)
        if status is not None:
            self.status = status
        super().__init__("; ".join(issue.en for issue in found))


class Malformed(GatewayError):
    default_code = "structure"


class Invalid(GatewayError):
    default_code = "invalid"


class Unsupported(GatewayError):
    default_code = "not-supported"
    allowed = ""  # with 405: the methods that there are instead, as the header Allow lists them


class Unauthenticated(GatewayError):
    default_code = "login"


class Forbidden(GatewayError):
    default_code = "forbidden"


class NotFound(GatewayError):
    default_code = "not-found"


class Gone(NotFound):
    default_code = "deleted"


class Conflict(GatewayError):
    default_code = "conflict"


class PreconditionFailed(GatewayError):
    default_code = "multiple-matches"


class TooLarge(GatewayError):
    default_code = "too-long"


class Busy(GatewayError):
    default_code = "throttled"


class Unavailable(GatewayError):
    default_code = "transient"


class Fault(GatewayError):
    default_code = "exception"


FACES: dict[type[GatewayError], Face] = {
    Malformed: Face(400, "AE", "no"),
    Invalid: Face(422, "AE", "no"),
    Unsupported: Face(400, "AR", "no"),
    Unauthenticated: Face(401, "AR", "no"),
    Forbidden: Face(403, "AR", "no"),
    Gone: Face(410, "AE", "no"),
    NotFound: Face(404, "AE", "no"),
    Conflict: Face(409, "AE", "caller"),
    PreconditionFailed: Face(412, "AE", "caller"),
    TooLarge: Face(413, "AR", "no"),
    Busy: Face(429, "AR", "later"),
    Unavailable: Face(503, "AR", "later"),
    Fault: Face(500, "AR", "limited"),
}


def face(error: GatewayError) -> Face:
    """The face of an error; its own status, where it has one, overrides the table's."""
    found = (
        next(FACES[kind] for kind in type(error).__mro__ if kind in FACES)
        if type(error) is not GatewayError
        else FACES[Fault]
    )
    return found if error.status is None else found._replace(http_status=error.status)


@dataclass(slots=True)
class Issues:
    """A list of issues under collection: expected trouble is data, gathered all at once."""

    found: list[Issue] = field(default_factory=list)

    def add(self, code: str, zh: str, en: str, at: str = "", severity: Severity = "error") -> None:
        self.found.append(Issue(code, zh, en, (at,) if at else (), severity))

    @property
    def errors(self) -> list[Issue]:
        return [issue for issue in self.found if issue.severity in ("error", "fatal")]
