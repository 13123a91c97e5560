"""What may follow what: one table of order statuses, with the reason beside each pair that is not the ordinary course.

Nothing is refused by it: status follows from facts. It says which facts can come after which, and properties hold the
machine to it: no pair that is not here ever occurs, and each that is here does.
"""

from typing import Final

from dropcopyd.domain.order import OrderStatus

S = OrderStatus
TRANSITIONS: Final[dict[tuple[OrderStatus, OrderStatus], str]] = {
    (S.PENDING_NEW, S.NEW): "",
    (S.PENDING_NEW, S.REJECTED): "",
    (S.PENDING_NEW, S.PARTIALLY_FILLED): "the fill overtook the acknowledgement",
    (S.PENDING_NEW, S.FILLED): "the fill overtook the acknowledgement",
    (S.PENDING_NEW, S.CANCELLED): "an immediate-or-cancel that found nothing, or an unsolicited cancel",
    (S.PENDING_NEW, S.PENDING_CANCEL): "a cancel before the acknowledgement [D.1.a]",
    (S.PENDING_NEW, S.PENDING_REPLACE): "a replace before the acknowledgement",
    (S.PENDING_NEW, S.STOPPED): "a guarantee before the acknowledgement",
    (S.NEW, S.PARTIALLY_FILLED): "",
    (S.NEW, S.FILLED): "",
    (S.NEW, S.CANCELLED): "",
    (S.NEW, S.PENDING_CANCEL): "",
    (S.NEW, S.PENDING_REPLACE): "",
    (S.NEW, S.STOPPED): "",
    (S.NEW, S.REJECTED): "a broker may reject after it acknowledged",
    (S.PARTIALLY_FILLED, S.FILLED): "",
    (S.PARTIALLY_FILLED, S.CANCELLED): "",
    (S.PARTIALLY_FILLED, S.PENDING_CANCEL): "",
    (S.PARTIALLY_FILLED, S.PENDING_REPLACE): "",
    (S.PARTIALLY_FILLED, S.STOPPED): "a guarantee for the rest outranks the partial fill [D37]",
    (S.PARTIALLY_FILLED, S.NEW): "a bust took the only fill back",
    (S.PENDING_CANCEL, S.CANCELLED): "",
    (S.PENDING_CANCEL, S.NEW): "the cancel was refused [D3]",
    (S.PENDING_CANCEL, S.PARTIALLY_FILLED): "the cancel was refused [D4]",
    (S.PENDING_CANCEL, S.FILLED): "the order filled while the cancel was pending [B.1.c]",
    (S.PENDING_CANCEL, S.PENDING_REPLACE): "the cancel was refused, a replace is still open",
    (S.PENDING_CANCEL, S.STOPPED): "the cancel was refused, the guarantee holds",
    (S.PENDING_CANCEL, S.REJECTED): "a broker may reject after it acknowledged",
    (S.PENDING_REPLACE, S.NEW): "",
    (S.PENDING_REPLACE, S.PARTIALLY_FILLED): "",
    (S.PENDING_REPLACE, S.FILLED): "replaced down to what is filled [D11, C.3.c]",
    (S.PENDING_REPLACE, S.PENDING_CANCEL): "a cancel outranks the open replace",
    (S.PENDING_REPLACE, S.CANCELLED): "an unsolicited cancel",
    (S.PENDING_REPLACE, S.STOPPED): "the guarantee holds after the replace",
    (S.PENDING_REPLACE, S.REJECTED): "a broker may reject after it acknowledged",
    (S.FILLED, S.PARTIALLY_FILLED): "a bust, or the quantity raised: the order is open again [D34, C.1.c]",
    (S.FILLED, S.PENDING_REPLACE): "a replace asked of a filled order [D9]",
    (S.FILLED, S.PENDING_CANCEL): "a cancel crossed the last fill",
    (S.FILLED, S.NEW): "a bust took the only fill back",
    (S.FILLED, S.STOPPED): "a bust: the guarantee holds for what is open again",
    (S.FILLED, S.CANCELLED): "a bust on an order that was closed: it does not reopen",
    (S.CANCELLED, S.FILLED): "a late fill completed it [D35: fills count after the cancel]",
    (S.CANCELLED, S.NEW): "done for the day, and restated: it goes on [D27]",
    (S.CANCELLED, S.PARTIALLY_FILLED): "done for the day, and restated: it goes on [D27]",
    (S.CANCELLED, S.STOPPED): "done for the day, and restated: the guarantee holds",
    (S.CANCELLED, S.PENDING_CANCEL): "a cancel crossed the order's end; its refusal follows",
    (S.CANCELLED, S.PENDING_REPLACE): "a replace crossed the order's end; its refusal follows",
    (S.STOPPED, S.FILLED): "",
    (S.STOPPED, S.CANCELLED): "",
    (S.STOPPED, S.REJECTED): "a broker may reject after it acknowledged",
    (S.STOPPED, S.PENDING_CANCEL): "",
    (S.STOPPED, S.PENDING_REPLACE): "",
    (S.REJECTED, S.NEW): "taken for never sent, then proven alive by the broker: the broker is the truth",
    (S.REJECTED, S.PARTIALLY_FILLED): "taken for never sent, then filled: the broker is the truth",
    (S.REJECTED, S.FILLED): "taken for never sent, then filled: the broker is the truth",
    (S.REJECTED, S.STOPPED): "taken for never sent, then guaranteed: the broker is the truth",
    (S.REJECTED, S.CANCELLED): "taken for never sent, then cancelled at the broker",
    (S.REJECTED, S.PENDING_CANCEL): "taken for never sent, then alive with a cancel open",
    (S.REJECTED, S.PENDING_REPLACE): "taken for never sent, then alive with a replace open",
}
"""Which status may follow which other one; the text is the reason where the pair is not the ordinary course."""
