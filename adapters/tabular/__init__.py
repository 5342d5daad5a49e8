"""CSV files, as spreadsheets and exports write them."""

from adapters.kit.contract import Adapter
from adapters.tabular.encode import encode, new
from adapters.tabular.parse import envelope, parse, split
from adapters.tabular.tree import column

adapter = Adapter(
    name="tabular",
    parse=parse,
    envelope=envelope,
    encode=encode,
    check_path=column,
    new=new,
    split=split,
    media_type="text/csv",
    options=frozenset(
        {
            "encoding",
            "kind",
            "delimiter",
            "header_row",
            "required",
            "lane",
            "columns",
        }
    ),
    abilities=frozenset({"reads", "writes"}),
)
