"""The columns of the five tables, in order, and the encoder's letter for each."""

COLUMNS = {
    "addresses": ("house_number", "street", "ward_code", "updated"),
    "petitions": ("field", "channel", "status", "ward_code", "created_at", "due_at", "title"),
    "roads": ("name", "class"),
    "wards": ("code", "name", "population"),
    "facilities": ("kind", "name"),
}
KINDS = {"addresses": "tttz", "petitions": "ttttzzt", "roads": "tt", "wards": "tti", "facilities": "tt"}
TIMES = ("updated", "created_at", "due_at")
