"""The log as Parquet, partitioned by day, for anyone's DuckDB, Polars or Spark; and SQL over it."""

from adjudge.service.export.files import Exported, export, made_for
from adjudge.service.export.query import Answered, query

__all__ = ["Answered", "Exported", "export", "made_for", "query"]
