"""The job file, checked: pydantic models, where secrets come from, and the JSON Schema for editors.

load      load_config: a TOML file -> JobConfig, or every problem in it
job       JobConfig, with kafka, topics, starts and output: its tables
secrets   resolve_secrets: what [kafka.security] points at
schema    conf/job.schema.json

Import from these: a task needs only output, and not the models of everything else.
"""
