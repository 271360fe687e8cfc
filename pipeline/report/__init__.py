"""The report's figures and pages: each module draws one kind from results, by hand too; `style` says how all look."""
