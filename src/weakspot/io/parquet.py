"""Rows in Parquet files, by pyarrow, which comes with the extra ``ray``."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weakspot.errors import InputError
from weakspot.io.atomic import atomic_write

if TYPE_CHECKING:
    import pyarrow as pa


def read_parquet(file: Path, columns: Sequence[str] = ()) -> Iterator[dict[str, Any]]:
    """Give the rows of a file, a few thousand at a time.

    Args:
        file: A Parquet file.
        columns: Only the first of these that there is and holds text; none takes all columns.

    Raises:
        InputError: If it is no Parquet file or has none of the columns, or pyarrow is not installed.
    """
    check_pyarrow()
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

    try:
        with ParquetFile(file) as table:
            there = table.schema_arrow
            texts = [one.name for one in there if pa.types.is_string(one.type) or pa.types.is_large_string(one.type)]
            wanted = [name for name in columns if name in texts][:1]
            if columns and not wanted:
                problem = f"{file} has the columns {', '.join(there.names)}."
                raise InputError(problem, f"One of text is to be called {' or '.join(columns)}.")
            for batch in table.iter_batches(columns=wanted or None):
                yield from batch.to_pylist()
    except FileNotFoundError as error:
        raise InputError(f"{file} does not exist.", "Check the path.") from error
    except (pa.ArrowException, OSError) as error:  # an OSError, too, is what pyarrow raises of damaged pages
        raise InputError(f"{file} is damaged or no Parquet file.", "Write it again.") from error


def count_in_parquet(file: Path) -> int:
    """Count the rows of a file; 0 where there is none, or it is damaged."""
    check_pyarrow()
    import pyarrow as pa
    from pyarrow.parquet import read_metadata

    try:
        return int(read_metadata(file).num_rows)
    except (pa.ArrowException, OSError):
        return 0


def write_parquet(rows: Sequence[Mapping[str, Any]], file: Path) -> None:
    """Write the rows of ``weakspot localize``, under a temporary name that is changed at the end.

    Raises:
        InputError: If the file cannot be written, or pyarrow is not installed.
    """
    check_pyarrow()
    import pyarrow as pa
    from pyarrow.parquet import write_table

    table = pa.Table.from_pylist([dict(row) for row in rows], schema=_schema())
    with atomic_write(file, durable=True) as target:
        write_table(table, target, compression="zstd")


def drop_nulls(row: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out of a row what it does not say: Parquet has a null there.

    Example:
        >>> drop_nulls({"image": "a.jpg", "uncertainty": None, "box": None, "others": None})
        {'image': 'a.jpg', 'box': None}
    """
    said = {name: value for name, value in row.items() if value is not None or name == "box"}
    return said if "others" not in said else said | {"others": [drop_nulls(other) for other in said["others"]]}


def check_pyarrow() -> None:
    """Refuse to go on without pyarrow.

    Raises:
        InputError: If it is not installed.
    """
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError as error:
        raise InputError("Parquet needs pyarrow, which is not installed.", "Run: pip install pyarrow") from error


def _schema() -> "pa.Schema":
    """The columns of ``Localization.to_dict``."""
    import pyarrow as pa

    floats = pa.list_(pa.float64())
    columns = [
        ("image", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("class_index", pa.int32()),
        ("label", pa.string()),
        ("score", pa.float64()),
        ("method", pa.string()),
        ("threshold", pa.float64()),
        ("uncertainty", pa.float64()),
        ("box", floats),
        ("boxes", pa.list_(floats)),
        ("notes", pa.list_(pa.string())),
        ("box_scores", floats),
    ]
    return pa.schema([*columns, ("others", pa.list_(pa.struct(columns)))])
