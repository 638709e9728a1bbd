"""Arrow batches to staged Parquet files. The only home of pyarrow.parquet's writer."""
