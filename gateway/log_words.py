"""What the log says in Chinese: for each line of the program its words, with the same values in the same order.

A test looks that every line that the program logs stands here, and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping

CHINESE: Mapping[str, str] = {
    # receiving
    "%s: %s listens on %s:%d": "%s：%s 监听 %s:%d",
    "%s from %s: %d messages, %d refused": "%s（来自 %s）：%d 条消息，拒收 %d 条",
    "mllp: %s refused, its address is not allowed": "mllp：拒绝 %s 的连接，其地址不在允许之列",
    "mllp: %s refused, %d connections are open": "mllp：拒绝 %s 的连接，已有 %d 个连接",
    "mllp: %s left %d bytes of a half message": "mllp：%s 断开，留下 %d 字节不完整的消息",
    "mllp: %s closed: %s": "mllp：已断开 %s：%s",
    "mllp: %s not answered: %s": "mllp：未应答 %s：%s",
    "mllp: %s closed, idle": "mllp：%s 长时间无消息，已断开",
    # working
    "%d messages are worked one by one (%s)": "%d 条消息改为逐条处理（%s）",
    "a lease was not renewed: %s": "占用未能续期：%s",
    "message %d of %s: attempt %d failed, another follows (%s)": "消息 %d（来自 %s）：第 %d 次处理失败，将再试（%s）",
    "message %d of %s: attempt %d failed, quarantined (%s)": "消息 %d（来自 %s）：第 %d 次处理失败，已隔离（%s）",
    "%s: %s": "%s：%s",
    # sending
    "job %d to %s: attempt %d, %s (%s)": "发送 %d（发给 %s）：第 %d 次，%s（%s）",
    "answer %d to %s: dead (%s)": "应答 %d（发给 %s）：不再发送（%s）",
    "mllp: %s:%d sent a late reply; thrown away": "mllp：%s:%d 的应答来得太迟，不采用",
    "mllp: %s:%d sent a reply to another message; thrown away": "mllp：%s:%d 的应答属于另一条消息，不采用",
    # FHIR
    "fault: %s": "内部错误：%s",
    "%d requests are carried out one by one (%s)": "%d 个请求改为逐个执行（%s）",
    "%s breaks R4 or a profile at %s": "%s 不合 R4 或 profile，位置：%s",
    "SearchParameter/%s is not used: %s": "SearchParameter/%s 不起作用：%s",
    "expunge: %s removed %d versions of %s": "彻底清除：%s 清除了 %d 个版本，属于 %s",
    "%s is no FHIR resource in JSON: it is passed over": "%s 不是 JSON 格式的 FHIR 资源，已跳过",
    "plans: %d further tasks have come into the window": "计划：又有 %d 个任务到了下发的时候",
    "several Organization have the code %s: take it from all but one": "有几个 Organization 的机构代码同为 %s：请只在一个上保留",
    # SIGHUP
    "tables and codes taken as they are now": "已采用现在的映射表与代码表",
    "a source.toml has changed: that takes a restart": "有 source.toml 已改动：重启后才起作用",
    "tables not taken, the old ones stay in force: %s": "映射表未采用，仍按原来的：%s",
}
