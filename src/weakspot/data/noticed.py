"""From single things noticed about a data set to its problems."""

from collections.abc import Iterable

from weakspot.data.dataset import DatasetIssue

# What is wrong, and one place where.
Issue = tuple[str, str]


def group_issues(noticed: Iterable[Issue]) -> tuple[DatasetIssue, ...]:
    """Gather what was noticed by kind.

    Args:
        noticed: Pairs of kind and place.

    Returns:
        One problem for each kind, in the order in which the kinds appear.

    Example:
        >>> group_issues([("late", "a"), ("late", "b")])
        (DatasetIssue(kind='late', where=('a', 'b')),)
    """
    gathered: dict[str, list[str]] = {}
    for kind, where in noticed:
        gathered.setdefault(kind, []).append(where)
    return tuple(DatasetIssue(kind, tuple(places)) for kind, places in gathered.items())
