"""What was done, in words, and in which group of deeds somebody looks for it."""

from __future__ import annotations

from collections.abc import Mapping

from flask_babel import gettext, lazy_gettext

from portal.care.consent.who_looked import ACTION_WORDS as LOOKS

EXPORTS: Mapping[str, object] = {
    "export_roll": lazy_gettext("下载了佩戴者名单"),
    "export_residents": lazy_gettext("下载了居民名册"),
    "export_audit": lazy_gettext("下载了操作记录"),
    "export_account": lazy_gettext("下载了自己的资料"),
}
CONSENTS: Mapping[str, object] = {
    "give_consent": lazy_gettext("登记了同意"),
    "withdraw_consent": lazy_gettext("收回了同意"),
    "erase_data": lazy_gettext("删掉了留下的资料"),
}
GUARDIANS: Mapping[str, object] = {
    "claim_guardianship": lazy_gettext("申请做监护人"),
    "confirm_guardianship": lazy_gettext("确认了监护人"),
    "refuse_guardianship": lazy_gettext("没有通过监护申请"),
    "object_to_guardianship": lazy_gettext("对监护人提出了异议"),
    "keep_guardianship": lazy_gettext("核实后保留了监护人"),
    "end_guardianship": lazy_gettext("结束了监护关系"),
    "leave_guardianship": lazy_gettext("自己不再做监护人"),
}
ALARMS: Mapping[str, object] = {
    "acknowledge": lazy_gettext("接手了报警"),
    "resolve": lazy_gettext("结束了报警"),
    "drill": lazy_gettext("做了演练"),
    "test_call": lazy_gettext("试拨了电话"),
    "lost_begin": lazy_gettext("开始寻找"),
    "lost_amend": lazy_gettext("改了寻找说明"),
    "lost_end": lazy_gettext("结束了寻找"),
    "lost_sighting": lazy_gettext("报告了见到的地方"),
    "share_make": lazy_gettext("做了寻找链接"),
    "share_revoke": lazy_gettext("停用了寻找链接"),
    "set_duty": lazy_gettext("改了值班表"),
    "view_report": lazy_gettext("看了事件报告"),
    "export_report": lazy_gettext("下载了事件报告"),
}
CARE: Mapping[str, object] = {
    "set_profile": lazy_gettext("改了照护设置"),
    "restore_profile": lazy_gettext("恢复了照护设置"),
    "drop_profile": lazy_gettext("撤回了照护设置的修改"),
    "suspend_fences": lazy_gettext("暂停了安全区域报警"),
    "resume_fences": lazy_gettext("恢复了安全区域报警"),
    "register_band": lazy_gettext("登记了手环"),
    "rekey_band": lazy_gettext("给手环换了密钥"),
    "revoke_band": lazy_gettext("停用了手环"),
    "drop_band_order": lazy_gettext("撤回了手环的登记或停用"),
    "show_band_key": lazy_gettext("看了手环的密钥"),
    "put_away_band_key": lazy_gettext("抄好了手环的密钥"),
}
REGISTER: Mapping[str, object] = {
    "add_resident": lazy_gettext("登记了居民"),
    "edit_resident": lazy_gettext("改了居民登记"),
    "import_resident": lazy_gettext("导入了居民"),
    "left_resident": lazy_gettext("标为迁出"),
    "returned_resident": lazy_gettext("改回在住"),
    "link_wearer": lazy_gettext("关联了手环"),
    "unlink_wearer": lazy_gettext("取消了手环关联"),
    "add_place": lazy_gettext("添加了楼栋或网格"),
    "add_households": lazy_gettext("添加了住户"),
    "rename_place": lazy_gettext("改了名称"),
    "move_place": lazy_gettext("移动了楼栋或网格"),
    "close_place": lazy_gettext("停用了楼栋或网格"),
    "reopen_place": lazy_gettext("恢复了楼栋或网格"),
}
ACCOUNTS: Mapping[str, object] = {
    "give_role": lazy_gettext("给了角色"),
    "act_as": lazy_gettext("切换了身份"),
    "card_made": lazy_gettext("办了登录卡"),
    "card_revoked": lazy_gettext("作废了登录卡"),
    "claim_household": lazy_gettext("认领了住户"),
    "confirm_claim": lazy_gettext("确认了住户认领"),
    "refuse_claim": lazy_gettext("没有通过住户认领"),
    "undo_claim": lazy_gettext("撤销了住户认领"),
    "make_invitation": lazy_gettext("做了邀请"),
    "accept_invitation": lazy_gettext("接受了邀请"),
    "end_invitation": lazy_gettext("停用了邀请"),
}
VERIFIED = "verify_audit"
"""The deed of checking the record."""
RECORD: Mapping[str, object] = {
    "retention": lazy_gettext("到期清理"),
    "view_audit": lazy_gettext("看了操作记录"),
    VERIFIED: lazy_gettext("核对了操作记录"),
}
GROUPS: Mapping[str, Mapping[str, object]] = {
    "looks": {name: words for name, words in LOOKS.items() if name.startswith("view_")},
    "exports": {name: words for name, words in LOOKS.items() if name.startswith("export_")} | dict(EXPORTS),
    "consents": CONSENTS,
    "guardians": GUARDIANS,
    "alarms": ALARMS,
    "care": CARE,
    "register": REGISTER,
    "accounts": ACCOUNTS,
    "record": RECORD,
}
"""Group -> its deeds."""
GROUP_WORDS: Mapping[str, object] = {
    "looks": lazy_gettext("查看"),
    "exports": lazy_gettext("下载"),
    "consents": lazy_gettext("同意和收回"),
    "guardians": lazy_gettext("监护"),
    "alarms": lazy_gettext("报警和寻找"),
    "care": lazy_gettext("照护设置和手环"),
    "register": lazy_gettext("名册和房屋"),
    "accounts": lazy_gettext("账号和身份"),
    "record": lazy_gettext("清理和核对"),
}
ORDER = "order_"
"""How the deeds begin that order something from a band."""
_WORDS = {name: words for group in GROUPS.values() for name, words in group.items()}


def action_words(action: str) -> str:
    """What was done."""
    if action.startswith(ORDER):
        return str(gettext("给手环下了指令"))
    return str(_WORDS.get(action, gettext("其他操作")))


def is_known(action: str) -> bool:
    """Whether this deed has words of its own."""
    return action.startswith(ORDER) or action in _WORDS


REASONS: Mapping[str, object] = {
    "changed": lazy_gettext("这一条和封存时不一样。"),
    "missing": lazy_gettext("这一条和前一条接不上：中间少了，或者多了。"),
    "cut": lazy_gettext("记录的末尾被删过，或者被人添加过。"),
    "anchor": lazy_gettext("记录末尾的封印不是用这个网站的密钥盖的。"),
    "rolled_back": lazy_gettext("记录被换成了以前的旧记录。"),
}
"""What is wrong with the record, by `audit.Broken.reason`."""
