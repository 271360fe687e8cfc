"""Figures and pages of the report, each module one kind of them, drawn from results; `style` has their common style."""
