"""A torch.export program (`.pt2`) from someone else: looked through before torch reads it.

torch's own reader runs what it is given: it unpickles, evaluates sizes as Python, imports modules that a name asks for,
and writes names from the file into source text that it compiles. So nothing of the file reaches it but a copy of what
was understood here: `archive` reads the entries, `program` the graph, `payloads` the weights, `saved` the example
inputs, and `reading` hands torch the copy. All but the last two know no torch.
"""
