//! Internal users, their contacts, and one's own account.

words! { PeopleWords
    lead: "Internal users of the built-in registrar. Users behind trunks and inner servers are found by their address.",
        "기본 제공 등록 서버의 내부 사용자. 트렁크나 내부 서버 뒤의 사용자는 주소로 찾습니다.";
    search: "Address of an internal user", "내부 사용자의 주소";
    open: "Open", "열기";
    user: "User", "사용자";
    shown_name: "Display name", "표시 이름";
    backend: "Backend", "백엔드";
    enabled: "Enabled", "사용";
    disabled: "Disabled", "사용 안 함";
    no_users: "No user matches.", "일치하는 사용자가 없습니다.";
    new_user: "New user", "새 사용자";
    password: "Password", "암호";
    delete_user: "Delete the user {0}?", "사용자 {0}을(를) 삭제하시겠습니까?";
    delete_user_lead: "The account ends; the contacts of the address stay until they are ended.",
        "계정이 삭제됩니다. 주소의 연락처는 종료할 때까지 남습니다.";
    access: "XMPP access", "XMPP 액세스";
    yes_by: "Yes, by policy {0}", "예, 정책 {0}";
    no_by: "No, by policy {0}", "아니요, 정책 {0}";
    reaches_all: "All enabled partners", "사용 중인 모든 파트너";
    reaches: "Can reach", "연결 가능";
    policy: "Policy of its own", "자체 정책";
    policy_hint: "A user policy, or none: then that of the site counts, else Global.",
        "사용자 정책 또는 없음. 없으면 사이트 정책, 그것도 없으면 전역 정책이 적용됩니다.";
    assign: "Assign", "할당";
    facts: "This user", "사용자 정보";
    new_password: "New password", "새 암호";
    set_password: "Set password", "암호 설정";
    contacts: "Partner contacts", "파트너 연락처";
    no_contacts: "No contacts.", "연락처가 없습니다.";
    contact: "Partner contact", "파트너 연락처";
    has_added: "Added by the user", "사용자가 추가함";
    is_seen: "Sees the user", "사용자를 볼 수 있음";
    invited_by: "Invited by", "초대한 쪽";
    by_internal: "the user", "사용자";
    by_partner: "the contact", "연락처";
    blocked: "Blocked", "차단됨";
    pending: "Invitation pending", "초대 대기 중";
    accept: "Accept", "수락";
    decline: "Decline", "거절";
    block: "Block", "차단";
    unblock: "Unblock", "차단 해제";
    end: "End", "종료";
    add_contact: "Add a contact", "연락처 추가";
    partner_address: "Address of the partner’s user", "파트너 사용자의 주소";
    add: "Add", "추가";
    account_lead: "Your password and where you are signed in.", "암호와 로그인되어 있는 위치.";
    current_password: "Current password", "현재 암호";
    password_again: "New password again", "새 암호 다시";
    password_hint: "At least 12 characters. Length counts, not special characters.",
        "12자 이상. 특수 문자가 아니라 길이가 중요합니다.";
    change_password: "Change password", "암호 변경";
    passwords_differ: "The two passwords differ.", "두 암호가 다릅니다.";
    password_changed: "Your password is changed. Everywhere else you were signed out.",
        "암호가 변경되었습니다. 다른 곳에서는 모두 로그아웃되었습니다.";
    sessions: "Where you are signed in", "로그인되어 있는 위치";
    from: "From", "위치";
    began: "Signed in", "로그인";
    last_used: "Last used", "마지막 사용";
    this_one: "this browser", "이 브라우저";
    sign_out_elsewhere: "Sign out everywhere else", "다른 모든 곳에서 로그아웃";
    signed_out_elsewhere: "You were signed out everywhere else.", "다른 모든 곳에서 로그아웃되었습니다.";
}
