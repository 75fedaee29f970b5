"""Read and write rows in Parquet files, with pyarrow, which the extra ``ray`` installs."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weakspot.errors import InputError
from weakspot.io.atomic import atomic_write

if TYPE_CHECKING:
    import pyarrow as pa


def read_parquet(file: Path, columns: Sequence[str] = ()) -> Iterator[dict[str, Any]]:
    """Yield the rows of a file, reading a few thousand at a time.

    Of ``columns``, only the first one that is a column of text is read; without ``columns``, all are. Raises
    InputError: ``not-installed``, ``file-not-found``, ``damaged-file`` or ``missing-column``.
    """
    check_pyarrow()
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

    try:
        with ParquetFile(file) as table:
            schema = table.schema_arrow
            texts = [
                column.name
                for column in schema
                if pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
            ]
            selected = [name for name in columns if name in texts][:1]
            if columns and not selected:
                problem = f"{file} must have a text column {' or '.join(columns)}, got {', '.join(schema.names)}."
                raise InputError("missing-column", problem)
            for batch in table.iter_batches(columns=selected or None):
                yield from batch.to_pylist()
    except FileNotFoundError as error:
        raise InputError("file-not-found", f"{file} does not exist.") from error
    except (pa.ArrowException, OSError) as error:  # pyarrow raises OSError for damaged pages
        raise InputError("damaged-file", f"{file} is damaged or not a Parquet file.") from error


def count_in_parquet(file: Path) -> int:
    """Count the rows of a file; 0 if it does not exist or is damaged."""
    check_pyarrow()
    import pyarrow as pa
    from pyarrow.parquet import read_metadata

    try:
        return int(read_metadata(file).num_rows)
    except (pa.ArrowException, OSError):
        return 0


def write_parquet(rows: Sequence[Mapping[str, Any]], file: Path) -> None:
    """Write the rows of ``weakspot localize`` atomically."""
    check_pyarrow()
    import pyarrow as pa
    from pyarrow.parquet import write_table

    table = pa.Table.from_pylist([dict(row) for row in rows], schema=_schema())
    with atomic_write(file, durable=True) as target:
        write_table(table, target, compression="zstd")


def drop_nulls(row: Mapping[str, Any]) -> dict[str, Any]:
    """Drop the null values of a row, which Parquet has for absent keys; ``box`` may be null.

    Example:
        >>> drop_nulls({"image": "a.jpg", "uncertainty": None, "box": None, "others": None})
        {'image': 'a.jpg', 'box': None}
    """
    values = {name: value for name, value in row.items() if value is not None or name == "box"}
    return values if "others" not in values else values | {"others": [drop_nulls(other) for other in values["others"]]}


def check_pyarrow() -> None:
    """Raise InputError (``not-installed``) unless pyarrow is installed."""
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError as error:
        raise InputError("not-installed", "Parquet needs pyarrow.", "Run: pip install pyarrow") from error


def _schema() -> "pa.Schema":
    """Return the columns of ``Localization.to_dict``."""
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
        ("box_evidence", floats),
        ("box_confidences", floats),
        ("box_scores", floats),
    ]
    return pa.schema([*columns, ("logits", floats), ("others", pa.list_(pa.struct(columns)))])
