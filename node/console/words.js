// words.js - what the page says, in English and Chinese.

export const words = {
  en: {
    skip: 'To the content', token: 'Token', views: 'Views',
    overview: 'Overview', orders: 'Orders', routes: 'Routes', dead: 'Dead letters', members: 'Members', audit: 'Audit',
    live: 'live, from node {0}', old: 'Cut off: node {0} does not answer. What you see is {1} s old.', never: 'The node does not answer.', asking: 'Asking the node …', actions: 'Actions',
    noleader: 'No leader: nothing is decided now. Orders are kept; what is due is late until a leader is elected.',
    down: 'Node {0} does not answer.', lag: 'Node {0} is {1} entries behind.',
    nospare: '{0} of {1} voters answer: if one more fails, nothing is decided any more.', lostdata: 'Node {0} does not have what it had confirmed. It is not counted on until it has it again.',
    clockahead: 'The clock of node {0} is {1} ahead of what most clocks agree on. The cluster does not go by it: set it right.', clockbehind: 'The clock of node {0} is {1} behind what most clocks agree on. The cluster does not go by it: set it right.',
    clocksapart: 'The clocks of the voters do not agree. Set them right, or say whose counts (orderctl clock trust).', notime: 'The leader knows no time that it could go by: nothing is fired (orderctl clock says why).',
    asof: 'These are the numbers of node {0}, as of its last entry: {1}.', ago: '{0} ago',
    disk: 'The data disk of node {0} is {1}.', insecure: 'Anybody who reaches a port of node {0} may do everything: it runs with --insecure.',
    authoff: 'Authorisation is off: whoever reaches a client port may do everything.', tls: 'The certificate of node {0} ends in {1} days.',
    overdue: 'The oldest order that is due waits for {0}.', waits: 'Route {0}, {1} orders wait: {2}.', paused: 'Route {0} is paused: its orders become due and are not delivered.',
    deadones: '{0} orders are dead letters.', fine: 'Nothing that needs you.', alerts: 'What needs attention',
    leader: 'Leader', term: 'Term', commit: 'Log index', pending: 'Pending', closing: 'Due, not settled', paid: 'Paid', cancelled: 'Cancelled',
    expired: 'Expired', deadn: 'Dead', time: "The cluster's time", entries: 'Log entries a second', duenext: 'Orders due in the next hour', duenow: 'Orders becoming due, a second',
    duesum: '{0} in the next hour.', duemost: 'Most at {0}', dueminute: '{0}: {1}, {2} a second', duenone: 'No order is due in the next hour.',
    astable: 'As a table', minute: 'Minute', persecond: 'A second', aminute: 'a minute', latems: 'Lateness, ms: 9 of 10 since node {0} started are below (p90)', waitsnow: 'The oldest order that is due waits, s', now: 'now',
    lateness: 'Lateness', node: 'Node', role: 'Role', address: 'Address', behind: 'Behind', clockcol: 'Clock', diskcol: 'Disk', memory: 'Memory', version: 'Version',
    notup: 'no answer', id: 'Id', state: 'State', route: 'Route', deadline: 'Deadline', remaining: 'Left', search: 'Search', prefix: 'Id or prefix',
    any: 'any', more: 'More', none: 'None.', goon: 'Go on looking', noneyet: 'None so far, and not all orders were looked at.', searching: 'Looking …', history: 'History', payload: 'Payload', attempts: 'Attempts', next: 'Next attempt', why: 'Why it is late',
    inflight: 'In flight', of: '{0} of {1}', ofcut: '{0} of {1}, cut from {2}', ready: 'Waiting', duefor: 'due for {0}', nextplace: 'when there is a place', whyfailed: 'Why the last delivery failed', url: 'Where to', p99: 'p99', p50: 'p50',
    pause: 'Pause', resume: 'Resume', retry: 'Deliver at once', rotate: 'New secret', redrive: 'Redrive', drop: 'Drop', pay: 'Mark paid', cancel: 'Cancel order',
    reason: 'Reason', reasonhas: 'Reason contains', matched: '{0} dead letters match.', go: 'Do it', leave: 'Leave it', progress: '{0} of {1} done, {2} not.',
    surepause: 'Route {0} will not deliver until it is resumed. Orders become due and wait.', sureresume: 'Route {0} will deliver what waits.',
    sureretry: 'What waits for its next attempt on route {0} is delivered now.', surerotate: 'Route {0} signs with a new secret as well; the one before it stays for the receivers that have not been told.',
    surepay: 'Order {0} will be PAID: its stock is kept.', surecancel: 'Order {0} will be CANCELLED. Its receiver is not told.',
    sureredrive: '{0} orders are delivered again.', suredrop: '{0} orders end CANCELLED, and no receiver is told.',
    sureredriveone: 'Order {0} is delivered again.', suredropone: 'Order {0} ends CANCELLED, and no receiver is told.',
    secret: 'The new secret, shown this once', close: 'Close', transfer: 'Transfer the leadership', suretransfer: 'Another voter will lead. Calls wait for a moment.',
    who: 'Who', what: 'What', about: 'About', from: 'From', result: 'Result', detail: 'Detail', count: 'Times', since: 'Since', done: 'Done.',
    unknown: 'It may have been done, or not: look before you repeat it.', asktoken: 'Who asks: a token of this cluster (osdt_…). It is kept in the memory of this page alone.', use: 'Use it', forget: 'Forget it',
    denied: 'Not allowed: {0}', askfortoken: 'Give the token of a principal that may see the cluster.', pausedword: 'paused', ev_scheduled: 'scheduled', ev_extended: 'extended', ev_due: 'due', ev_attempt: 'delivery {0}', ev_redriven: 'redriven', ev_decided: 'decided', ev_gap: '{0} events are not kept',
    late_window: 'the window is full: the receiver is slow, or the route needs a larger one', late_cut: 'the receiver is overloaded or does not answer: {0} at a time instead of {1}', late_silence: 'the receiver asked for silence, {0} s are left', late_paused: 'the route is paused', late_queue: '{0} orders wait for a place', late_callback: 'not now; the receiver took up to {0} ms (p99)', late_queued: 'not now; orders waited up to {0} ms for a place (p99)', late_not: 'it is not',
  },
  zh: {
    skip: '跳到正文', token: '令牌', views: '视图',
    overview: '总览', orders: '订单', routes: '路由', dead: '死信', members: '成员', audit: '审计',
    live: '实时,来自节点 {0}', old: '已断开:节点 {0} 没有应答。当前显示的是 {1} 秒前的数据。', never: '节点没有应答。', asking: '正在询问节点……', actions: '操作',
    noleader: '没有领导者:现在无法做出任何决定。订单不会丢失;到期的订单会推迟,直到选出领导者。',
    down: '节点 {0} 没有应答。', lag: '节点 {0} 落后 {1} 条日志。',
    nospare: '{1} 个投票成员中有 {0} 个应答:再有一个失效,就无法做出任何决定。', lostdata: '节点 {0} 缺少它曾确认过的数据;补齐之前不计入多数。',
    clockahead: '节点 {0} 的时钟比多数时钟快 {1}。集群不以它为准:请校正。', clockbehind: '节点 {0} 的时钟比多数时钟慢 {1}。集群不以它为准:请校正。',
    clocksapart: '各投票成员的时钟不一致。请校正,或指定以谁为准(orderctl clock trust)。', notime: '领导者没有可依据的时间:不会触发任何订单(原因见 orderctl clock)。',
    asof: '以下是节点 {0} 的数据,截至它的最后一条日志:{1}。', ago: '{0} 前',
    disk: '节点 {0} 的数据盘:{1}。', insecure: '节点 {0} 以 --insecure 运行:任何能连上端口的人都可以做任何操作。',
    authoff: '未开启鉴权:任何能连上客户端端口的人都可以做任何操作。', tls: '节点 {0} 的证书将在 {1} 天后到期。',
    overdue: '最早到期的订单已等待 {0}。', waits: '路由 {0} 有 {1} 个订单在等待:{2}。', paused: '路由 {0} 已暂停:订单到期但不会投递。',
    deadones: '有 {0} 个订单成为死信。', fine: '没有需要处理的事项。', alerts: '需要关注',
    leader: '领导者', term: '任期', commit: '日志位置', pending: '待支付', closing: '已到期未结', paid: '已支付', cancelled: '已取消',
    expired: '已过期', deadn: '死信', time: '集群时间', entries: '每秒日志条数', duenext: '未来一小时到期的订单', duenow: '每秒到期的订单',
    duesum: '未来一小时共 {0} 个。', duemost: '最多的一分钟 {0}', dueminute: '{0}:{1} 个,每秒 {2} 个', duenone: '未来一小时没有订单到期。',
    astable: '以表格显示', minute: '分钟', persecond: '每秒', aminute: '个/分钟', latems: '延迟(毫秒):节点 {0} 启动以来十分之九低于此值(p90)', waitsnow: '最早到期的订单等待时间(秒)', now: '现在',
    lateness: '延迟', node: '节点', role: '角色', address: '地址', behind: '落后', clockcol: '时钟', diskcol: '磁盘', memory: '内存', version: '版本',
    notup: '无应答', id: '编号', state: '状态', route: '路由', deadline: '截止时间', remaining: '剩余', search: '查找', prefix: '编号或前缀',
    any: '全部', more: '更多', none: '无。', goon: '继续查找', noneyet: '目前没有找到,尚未查看全部订单。', searching: '正在查找……', history: '历史', payload: '载荷', attempts: '尝试次数', next: '下次尝试', why: '为何延迟',
    inflight: '投递中', of: '{0} / {1}', ofcut: '{0} / {1}(原为 {2})', ready: '等待中', duefor: '已到期 {0}', nextplace: '有空位时', whyfailed: '上次投递失败的原因', url: '目标', p99: 'p99', p50: 'p50',
    pause: '暂停', resume: '恢复', retry: '立即投递', rotate: '更换密钥', redrive: '重新投递', drop: '丢弃', pay: '标记已支付', cancel: '取消订单',
    reason: '原因', reasonhas: '原因包含', matched: '匹配 {0} 个死信。', go: '执行', leave: '放弃', progress: '{1} 个中完成 {0} 个,{2} 个未完成。',
    surepause: '路由 {0} 将停止投递,直到恢复。订单会到期并等待。', sureresume: '路由 {0} 将投递等待中的订单。',
    sureretry: '路由 {0} 上等待下次尝试的订单将立即投递。', surerotate: '路由 {0} 将同时使用新密钥签名;旧密钥保留,供尚未更新的接收方使用。',
    surepay: '订单 {0} 将变为已支付:库存保留。', surecancel: '订单 {0} 将被取消。不会通知接收方。',
    sureredrive: '将重新投递 {0} 个订单。', suredrop: '{0} 个订单将以已取消结束,且不通知接收方。',
    sureredriveone: '将重新投递订单 {0}。', suredropone: '订单 {0} 将以已取消结束,且不通知接收方。',
    secret: '新密钥(仅显示这一次)', close: '关闭', transfer: '移交领导权', suretransfer: '将由另一个投票成员领导。调用会短暂等待。',
    who: '操作者', what: '操作', about: '对象', from: '来源', result: '结果', detail: '详情', count: '次数', since: '起始时间', done: '已完成。',
    unknown: '可能已执行,也可能没有:重复之前请先查看。', asktoken: '操作者:本集群的令牌(osdt_…)。只保存在本页面的内存中。', use: '使用', forget: '忘记',
    denied: '不允许:{0}', askfortoken: '请提供有权查看集群的主体的令牌。', pausedword: '已暂停', ev_scheduled: '已创建', ev_extended: '已延期', ev_due: '到期', ev_attempt: '第 {0} 次投递', ev_redriven: '重新投递', ev_decided: '已决定', ev_gap: '有 {0} 个事件未保留',
    late_window: '窗口已满:接收方太慢,或需要更大的窗口', late_cut: '接收方过载或没有应答:同时投递数由 {1} 降为 {0}', late_silence: '接收方要求静默,还剩 {0} 秒', late_paused: '路由已暂停', late_queue: '{0} 个订单在等待', late_callback: '现在没有;接收方曾耗时 {0} 毫秒(p99)', late_queued: '现在没有;订单曾为等待空位耗时 {0} 毫秒(p99)', late_not: '没有延迟',
  },
};

let language = (navigator.language || 'en').startsWith('zh') ? 'zh' : 'en';
export function languageNow() { return language; }
export function changeLanguage() { language = language === 'en' ? 'zh' : 'en'; }
export function t(key, ...values) {
  const text = words[language][key] ?? words.en[key] ?? key;
  return text.replace(/\{(\d)\}/g, (_, i) => String(values[i] ?? ''));
}
export function number(n) { return Number(n ?? 0).toLocaleString(language === 'zh' ? 'zh-CN' : 'en-GB'); }
export function moment(ms) {
  return ms ? new Date(ms).toLocaleString(language === 'zh' ? 'zh-CN' : 'en-GB', { hourCycle: 'h23' }) : '';
}
/** When a minute begins. */
export function minute(ms) {
  return new Date(ms).toLocaleTimeString(language === 'zh' ? 'zh-CN' : 'en-GB', { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
}
export function span(ms) {
  const s = Math.max(0, Math.round(ms / 1000));
  if (s < 120) return `${s} s`;
  if (s < 7200) return `${Math.floor(s / 60)} min`;
  if (s < 172800) return `${Math.floor(s / 3600)} h`;
  return `${Math.floor(s / 86400)} d`;
}
