"""The rule book: dated rows of law as data, exact dates, golden tests. Pure: no Django, no database, no clock."""
