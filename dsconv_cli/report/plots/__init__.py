"""Pictures of a sweep: what they show (`picture`), and who draws them (`files`, `terminal`)."""
