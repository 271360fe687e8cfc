"""Why a target would be made again."""
