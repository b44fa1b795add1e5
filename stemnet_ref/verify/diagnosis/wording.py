"""What is said of the findings of a search."""

from . import scopes
from .conventions import CONVENTIONS, sentence


def of_findings(findings, training):
    """Return the conventions that were found, as `Report.conventions`, and what is said of all findings, a list.

    Parameters
    ----------
    findings : list of explanation.Finding
    training : dict
        The golden file's settings.
    """
    found, said = {}, []
    for finding in findings:
        for held in sorted(finding.held, key=lambda each: list(CONVENTIONS).index(each.name)):
            alike = [each for other in findings for each in other.held if each.name == held.name]
            found[held.name] = scopes.labels(alike)
            of_value = [each for each in alike if each.value == held.value]
            if (said_now := sentence(held, training, scopes.words(of_value))) not in said:
                said.append(said_now)
        names = {held.name for held in finding.held}
        part = any(held.name in names for other in findings if other is not finding for held in other.held)
        said += [_instead(finding.held, other, training, part) for other in finding.others]
        if finding.hint and (hint := f"{finding.key}: {finding.hint}") not in said:
            said.append(hint)
    return found, said


def _instead(held, other, training, part):
    """Return the sentence for other conventions that explain all that those of a finding do.

    It says what they take the place of where that is not all that was said: both may have conventions in common, and
    the finding may be a `part` of what is said, of some layers.
    """
    def all_of(conventions):
        return [sentence(each, training, scopes.words([each])) for each in sorted(conventions, key=str)]

    does = ' and "'.join(f'{each.partition(";")[0]}"' for each in all_of(held - other))
    what = f', in place of "{does}' if held & other or part else ""
    return f"Or, which these numbers cannot tell apart{what}: {' And: '.join(all_of(other - held))}"


def place(held):
    """Return where a single convention stands among CONVENTIONS; 0 of sets of several."""
    return [*CONVENTIONS].index(next(iter(held)).name) if len(held) == 1 else 0


def does(held):
    """Return what a diagnosis says that the other side does, a set of texts."""
    return frozenset(CONVENTIONS[each.name].does for each in held)
