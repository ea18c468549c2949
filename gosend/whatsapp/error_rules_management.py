"""The closed table's other half: numbers, templates, calls, flows, block lists, user names."""

from gosend.whatsapp.error_rules import Rows, Rule, final

_FINAL: Rows = {
    131059: ("List position expired", "Start the list again from its first page."),
    133000: ("Removal not complete", "Deregister the number once more, then register it."),
    133008: ("PIN guessed too often", "Wait as long as the details say, then give the right PIN."),
    133009: ("PIN guessed too fast", "Wait as long as the details say, then give the right PIN."),
    133016: ("Registered too often", "The number may be registered 10 times in 72 hours: wait 72 hours."),
    136024: ("Code not sent", "Wait an hour, then ask for the code again or by the other method."),
    138006: ("No leave to call", "Ask the person for permission to call them."),
    138012: ("Calls used up", "The person was called as often as a day allows: wait 24 hours."),
    139100: ("Some not blocked", "The details name those who could not be blocked; the others are."),
    139101: ("Block list full", "Unblock somebody before you block another."),
    139102: ("Block list changed", "Read the block list again from its first page."),
    1752041: ("Already under way", "The same onboarding was asked for before: wait for its end."),
    2593107: ("Sync asked too often", "History can be asked for once only: connect the number again."),
    2593108: ("Sync too late", "The 24 hours for it have passed: connect the number again."),
    2593109: ("History not shared", "The business declined to share its history; new messages still come."),
    2494100: ("Number in maintenance", "Wait a few minutes, then move the number again."),
    # Subcodes of 100, met as codes in webhooks too.
    2388019: ("Too many templates", "Delete templates that are not in use; each language counts."),
    2388023: ("Name being deleted", "The deleted template's name is locked for 30 days: choose another."),
    2388024: (
        "Template exists",
        "A template of this name and language is there already: change or rename it.",
    ),
    2388039: ("Status cannot change", "The template's status does not allow this: see what it is now."),
    2388040: ("Text too long", "Shorten the part that the details name."),
    2388047: ("Header not valid", "Correct the header's form: 60 characters, one variable, no line breaks."),
    2388072: ("Body not valid", "Correct the body's form: 1,024 characters, variables numbered from 1."),
    2388073: ("Footer not valid", "Correct the footer's form: 60 characters, no variables."),
    2388293: ("Too many variables", "Add words or take out variables: there are too many for the text."),
    2388299: ("Variable at the edge", "Let the text neither begin nor end with a variable."),
}

_OPERATOR: Rows = {
    133005: ("PIN wrong", "Give the right PIN, or set a new one in WhatsApp Manager."),
    133006: ("Number must be verified", "Ask for a new code and verify the number again."),
    134011: ("Payment terms not accepted", "Accept the terms of payments on WhatsApp at Meta."),
    134102: ("Marketing not set up", "Finish the set-up of marketing messages at Meta."),
    2388012: ("Number not free to move", "Remove the number from the other account, then move it again."),
    2388091: ("Move refused", "Check at Meta that both accounts belong to the business and are approved."),
    2388093: ("Move refused", "Switch off two-step verification at the present provider, then move again."),
    2388103: ("Move refused", "Check at Meta that both accounts are approved and have a payment method."),
}

_FAMILIES: tuple[tuple[range, tuple[str, str]], ...] = (
    (range(138000, 138019), ("Call refused", "The details say why; see the number's call settings.")),
    (range(139000, 139005), ("Flow refused", "Correct the flow where the details say.")),
    (range(139100, 139103), ("Block list refused", "The details say who could not be blocked and why.")),
    (range(147001, 147006), ("User name refused", "Choose another user name, as the details say.")),
    (range(200005, 200008), ("Statistics not ready", "Confirm the template statistics at Meta first.")),
)

MANAGEMENT: dict[int, Rule] = {
    **{code: rule for codes, row in _FAMILIES for code, rule in final(dict.fromkeys(codes, row)).items()},
    **final(_FINAL),
    **final(_OPERATOR, needs_operator=True),
}

_CONNECT_AGAIN = "Connect the account again to get a new token."

# Subcodes that say more than their code, 190: the token.
TOKEN: dict[int, Rule] = final(
    {
        460: ("Password changed", "The token's owner changed the password. " + _CONNECT_AGAIN),
        463: ("Token expired", "The access token has expired. " + _CONNECT_AGAIN),
        467: ("Token withdrawn", "The access token was withdrawn or is wrong. " + _CONNECT_AGAIN),
    },
    needs_operator=True,
)
