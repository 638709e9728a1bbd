"""Ways to run the splits of a load: in this process, in local processes, as Spark tasks.

All of them give every split to `LoadTask.run`, tell `on_advance` how it goes on, and
return all of them. A worker that dies is what they have to tell apart from a task that fails: a task
returns its errors as values.
"""
