"""In Russian, the sentences that the collector says of events and of requests in English: a fault of an event, a warning, a refusal.

They are kept in quarantine and answered to senders as they were written, so they are read here: a pattern a sentence, and what it
says in Russian. A sentence that no pattern fits is shown as it is.
"""

from __future__ import annotations

import re
from typing import Final

_KINDS: Final = {
    "an object": "объект",
    "a list": "список",
    "a string": "строка",
    "a boolean": "да или нет",
    "a number": "число",
    "null": "null",
    "a value": "другое",
}
_OF_EVENTS: Final = {
    r"An event is a JSON object, not (?P<kind>.+)\.": "Событие — это объект JSON, а здесь {kind}.",
    r"The event has (\d+) bytes; at most (\d+) are taken\. Send less in properties or traits\.": (
        "В событии {0} байт, а принимается не больше {1}. Пришлите меньше в properties или traits."
    ),
    r"`type` must be one of (.+); it is (.+)\.": "«type» — одно из: {0}; здесь {1}.",
    r"(.+) is not an ISO 8601 time such as (\S+)\.": "{0} — не время по ISO 8601, такое как {1}.",
    r"A track call needs `event`: .+": "Вызову track нужно поле «event»: что произошло, например «Order Completed».",
    r"A group call needs `groupId`: .+": "Вызову group нужно поле «groupId»: id компании или счёта.",
    r"An alias call needs `previousId`: .+": "Вызову alias нужно поле «previousId»: прежний id.",
    r"An alias call needs `userId`: .+": "Вызову alias нужно поле «userId»: id с этого времени.",
    r"`(\w+)` is required\.": "Поле «{0}» обязательно.",
    r"This must be a string, not (?P<kind>.+)\.": "Здесь должна быть строка, а не {kind}.",
    r"This must be an object, not (?P<kind>.+)\.": "Здесь должен быть объект, а не {kind}.",
    r"This must be a list, not (?P<kind>.+)\.": "Здесь должен быть список, а не {kind}.",
    r"This must be true or false, not (?P<kind>.+)\.": "Здесь должно быть true или false, а не {kind}.",
    r"String should have at most (\d+) characters?\.": "Здесь может быть не больше {0} знаков.",
    r"An integer past 64 bits\. .+": "Целое число больше 64 бит. Пришлите его строкой.",
    r"NaN, Infinity or a number past 1\.8e308\. .+": "NaN, Infinity или число больше 1,8e308. Пришлите null или уберите поле.",
    r"An object of (\d+) keys; at most (\d+) are kept\. .+": "В объекте {0} ключей, а хранится не больше {1}. Пришлите меньше.",
    r"A list of (\d+) items; at most (\d+) are kept\. .+": "В списке {0} значений, а хранится не больше {1}. Разделите на события.",
    r"A string of (\d+) characters; at most (\d+) are kept\. .+": "В строке {0} знаков, а хранится не больше {1}. Сократите её.",
    r"Nested deeper than (\d+) levels\. .+": "Вложенность глубже {0} уровней. Пришлите данные проще.",
    r"The store could not hold this event: (.+)": "Хранилище не смогло принять это событие: {0}",
    r"The store failed over this event; .+": "Хранилище не справилось с этим событием; чем именно, говорит журнал воркера.",
    r"Record (\S+) cannot be read\. .+": "Запись {0} не читается: это не события Tropa или события другой её версии.",
    r"Without a messageId a retry cannot be told from a second event\.": "Без messageId повтор не отличить от второго события.",
    r"`(\w+)` is the collector's own field; yours was dropped\.": "Поле «{0}» заполняет сам коллектор; присланное отброшено.",
}
_OF_IDENTIFIERS: Final = {
    r"This source accepts a user id, email or phone from a browser only in a signed token\.": (
        "user id, email и телефон этот источник принимает от браузера только в подписанном токене."
    ),
    r"The event names more than one value of a kind of which a person has one\.": (
        "В событии несколько значений того, что у человека бывает одно."
    ),
    r"An event carries at most (\d+) identifiers\.": "В событии может быть не больше {0} идентификаторов.",
    r"This is not a kind of identifier[.;].*": "Такого вида идентификаторов нет; id другой системы — это ext.<система>, например ext.crm.",
    r"A messenger's user name may change hands: .+": (
        "Имя в мессенджере может перейти к другому: рядом с id учётной записи оно не идентификатор."
    ),
    r"An identifier is a string or an integer\.": "Идентификатор — это строка или целое число.",
    r"The identifier is empty\.": "Идентификатор пуст.",
    r"An identifier has at most (\d+) characters\.": "В идентификаторе может быть не больше {0} знаков.",
    r"The identifier holds a NUL or half a character\.": "В идентификаторе есть NUL или половина знака.",
    r"This value is a placeholder that identifies nobody\.": "Это заглушка: она никого не обозначает.",
    r"This is not an email address\.": "Это не адрес email.",
    r"This is not a phone number, or its country is not known\.": "Это не номер телефона, или неизвестна его страна.",
    r"The identity token is not a JWT in compact form\.": "Токен личности — не JWT в компактной записи.",
    r"The identity token must be signed with HS256\.": "Токен личности подписывается алгоритмом HS256.",
    r"The identity token is not signed with this source's secret\.": "Токен личности подписан не секретом этого источника.",
    r"The identity token needs exp, at most 24 hours ahead\.": "Токену личности нужен exp не дальше 24 часов вперёд.",
    r"The identity token has expired\.": "Срок токена личности истёк.",
    r"The identity token needs sub, the user id, as a string\.": "Токену личности нужен sub: user id строкой.",
    r"This source has no signing secret\.": "У этого источника нет секрета подписи.",
}
_OF_REQUESTS: Final = {
    r"The body is empty\.": "Событие пусто.",
    r"The body is not JSON: (.+)": "Это не JSON: {0}",
    r"The body looks like UTF-16 or UTF-32\. .+": "Похоже на UTF-16 или UTF-32. Пришлите JSON в UTF-8.",
    r"Send one event as a JSON object, not (?P<kind>.+)\.": "Пришлите одно событие — объект JSON; здесь {kind}.",
    r"“Since” is a day such as (\S+); it was (.+)\.": "«С какого дня» — это день, такой как {0}; здесь {1}.",
    r"Emails and phones are masked: .+": "Email и телефоны скрыты. Чтобы выгрузить контакт, покажите их в настройках вида.",
    r"Say who you are and why, each in at most (\d+) characters: .+": (
        "Назовите себя и причину, до {0} знаков каждое: и то и другое хранится в журнале связей."
    ),
    r"These contacts were taken apart by an operator; relink them first\.": (
        "Эти контакты разделил оператор: сначала снимите запрет на их связь."
    ),
    r"There is nothing to take apart: .+": "Делить нечего: на одной из сторон нет идентификаторов этого контакта.",
    r"This identifier is not in quarantine\.": "Этот идентификатор не в карантине.",
    r"This link is refused no more\.": "Эта связь больше не отклонена.",
    r"Choose a merge or at least one identifier\.": "Выберите объединение или хотя бы один идентификатор.",
    r"(\d+) live views are open already\. .+": "Открыто уже {0} живых лент. Закройте одну из них.",
    r"A form here has at most (\d+) bytes\.": "Форма принимает не больше {0} байт.",
    r"PostgreSQL gave this look up because it took too long; [^:]+: (.+)": (
        "PostgreSQL не успел ответить и прервал запрос; с данными всё в порядке: {0}"
    ),
    r"The store is being opened(?: again)?\.": "Хранилище открывается.",
    r"The connection to PostgreSQL was lost\.": "Связь с PostgreSQL потеряна.",
    r"The store could not commit (.+)\.": "Хранилище не смогло записать: {0}.",
    r"The disk of the data directory is full\. .+": "Диск с данными заполнен. Освободите место: коллектор продолжит сам.",
    r"The log has not taken a record yet\.": "Журнал ещё не принял ни одной записи.",
    r"The worker has not joined its group yet\.": "Воркер ещё не вошёл в свою группу.",
    r"The collector is stopping\.": "Коллектор останавливается.",
}
_SENTENCES: Final = [
    (re.compile(pattern, re.DOTALL), text) for pattern, text in (_OF_EVENTS | _OF_IDENTIFIERS | _OF_REQUESTS).items()
]


def in_russian(sentence: str) -> str | None:
    """What a sentence says in Russian; None for one that is not known."""
    for pattern, text in _SENTENCES:
        if (found := pattern.fullmatch(sentence)) is not None:
            named = {name: _KINDS.get(value, value) for name, value in found.groupdict().items()}
            return text.format(*found.groups(), **named)
    return None
