// What the panel says, in the languages it speaks. Another language than these gets English.

import { ErrorCode } from "../wire/schema.ts";

/** Each text in each language, side by side: a visitor downloads the names once, and a translation cannot be forgotten. */
const LANGUAGES = ["en", "zh", "ar"];
type Translated<T> = readonly [en: T, zh: T, ar: T];

const TEXTS = {
  chat: ["Chat", "聊天", "الدردشة"],
  open: ["Open chat", "打开聊天", "افتح الدردشة"],
  close: ["Close chat", "关闭聊天", "أغلق الدردشة"],
  unread: [
    (n: number) => (n === 1 ? "1 new message" : `${n} new messages`),
    (n: number) => `${n} 条新消息`,
    (n: number) => `رسائل جديدة: ${n}`,
  ],
  assistant: ["Assistant", "助手", "المساعد"],
  ai: ["AI", "AI", "ذكاء اصطناعي"],
  you: ["You", "我", "أنت"],
  person: ["Our team", "我们的同事", "فريقنا"],
  answers_at_once: ["AI assistant, answers at once", "AI 助手，即时回答", "مساعد ذكاء اصطناعي، يجيب فورًا"],
  waiting: ["Waiting for a person", "正在等待人工", "في انتظار موظف"],
  with_person: [
    (name: string) => `You are talking to ${name}`,
    (name: string) => `${name}正在为您服务`,
    (name: string) => `أنت تتحدث مع ${name}`,
  ],
  ended: ["This conversation has ended", "对话已结束", "انتهت هذه المحادثة"],
  connecting: ["Connecting…", "正在连接…", "جارٍ الاتصال…"],
  not_connected: ["Not connected", "未连接", "غير متصل"],
  greeting: ["Hello! How can we help?", "您好！有什么可以帮您？", "مرحبًا! كيف يمكننا مساعدتك؟"],
  greeting_note: [
    "You are talking to an AI assistant. Ask for a person at any time.",
    "与您对话的是 AI 助手，您随时可以转人工。",
    "أنت تتحدث مع مساعد ذكاء اصطناعي. يمكنك طلب موظف في أي وقت.",
  ],
  suggestions: ["Suggested questions", "常见问题", "أسئلة مقترحة"],
  messages: ["Messages", "消息", "الرسائل"],
  message: ["Your message", "您的消息", "رسالتك"],
  placeholder: ["Write a message…", "输入消息…", "اكتب رسالة…"],
  send: ["Send", "发送", "أرسل"],
  stop: ["Stop", "停止", "إيقاف"],
  stopping: ["Stopping…", "正在停止…", "جارٍ الإيقاف…"],
  too_long: [
    (n: number) => `${n} characters too many`,
    (n: number) => `超出 ${n} 个字符`,
    (n: number) => `أطول من المسموح بـ ${n} حرف`,
  ],
  talk: ["Talk to a person", "转人工", "تحدث إلى موظف"],
  ai_note: ["AI answers can be wrong.", "回答由 AI 生成，可能有误。", "الإجابات من ذكاء اصطناعي وقد تخطئ."],
  options: ["More options", "更多选项", "خيارات أخرى"],
  end: ["End conversation", "结束对话", "إنهاء المحادثة"],
  end_ask: ["End this conversation?", "要结束这次对话吗？", "هل تريد إنهاء المحادثة؟"],
  cancel: ["Cancel", "取消", "إلغاء"],
  erase: ["Delete all I wrote", "删除我的全部记录", "حذف كل ما كتبته"],
  erase_ask: [
    "Delete everything you wrote here for good?",
    "要永久删除您在这里的全部对话吗？",
    "هل تريد حذف كل ما كتبته هنا نهائيًا؟",
  ],
  offline: [
    "You are offline. Your messages are sent when you are back.",
    "网络已断开。恢复后会自动发送您的消息。",
    "أنت غير متصل. ستُرسل رسائلك عند عودة الاتصال.",
  ],
  reconnecting: ["Connection lost. Trying again…", "连接中断，正在重试…", "انقطع الاتصال. تجري إعادة المحاولة…"],
  back: ["Connected again.", "已重新连接。", "عاد الاتصال."],
  try_now: ["Try now", "立即重试", "حاول الآن"],
  queued: ["Waiting to be sent", "等待发送", "في انتظار الإرسال"],
  sending: ["Sending", "正在发送", "جارٍ الإرسال"],
  sent: ["Sent", "已发送", "أُرسلت"],
  delayed: [
    (s: number) => `Sent again in ${s} s`,
    (s: number) => `${s} 秒后重新发送`,
    (s: number) => `يُعاد الإرسال خلال ${s} ث`,
  ],
  failed: ["Not sent", "未发送", "لم تُرسل"],
  retry: ["Try again", "重试", "حاول مجددًا"],
  discard: ["Delete", "删除", "حذف"],
  thinking: ["The assistant is writing", "助手正在回答", "المساعد يكتب"],
  stopped: ["Stopped", "已停止", "أُوقفت"],
  stopped_empty: ["You stopped this answer before it began.", "回答开始之前您就停止了。", "أوقفت الإجابة قبل أن تبدأ."],
  interrupted: ["The answer broke off here.", "回答在这里中断了。", "انقطعت الإجابة هنا."],
  automatic: ["Automatic answer", "自动回复", "رد تلقائي"],
  sources: ["Sources", "来源", "المصادر"],
  choices: ["Choose what you mean", "请选择您的意思", "اختر ما تقصده"],
  asked: ["You asked for a person", "您要求转人工", "طلبت التحدث إلى موظف"],
  handed_over: ["Handed over to a person", "已转人工", "أُحيلت إلى موظف"],
  joined: [
    (name: string) => `${name} has joined`,
    (name: string) => `${name} 已加入`,
    (name: string) => `انضم ${name}`,
  ],
  closed_by_visitor: ["You ended the conversation", "您结束了对话", "أنهيت المحادثة"],
  queue: ["Somebody will be with you as soon as they are free.", "同事一有空就会来。", "سيكون أحدنا معك حالما يتفرغ."],
  queue_note: [
    "Write whatever helps; they will read it all.",
    "您可以继续留言，他们都会看到。",
    "اكتب كل ما يفيد؛ سيقرؤونه كله.",
  ],
  rate_ask: ["How was this conversation?", "这次对话怎么样？", "كيف كانت هذه المحادثة؟"],
  rate_low: ["Bad", "不好", "سيئة"],
  rate_high: ["Good", "很好", "جيدة"],
  rate_score: [(n: number) => `${n} of 5`, (n: number) => `${n} 分，满分 5 分`, (n: number) => `${n} من 5`],
  rate_comment: [
    "Anything you would like to add? (optional)",
    "还有什么想说的吗？（可不填）",
    "هل تود إضافة شيء؟ (اختياري)",
  ],
  rate_send: ["Send rating", "提交评分", "أرسل التقييم"],
  rated: ["Thank you for your rating.", "谢谢您的评分。", "شكرًا على تقييمك."],
  start_new: ["Start a new conversation", "开始新的对话", "ابدأ محادثة جديدة"],
  jump: ["New messages", "新消息", "رسائل جديدة"],
  copy: ["Copy", "复制", "نسخ"],
  copied: ["Copied", "已复制", "نُسخ"],
  code: ["Code", "代码", "رمز برمجي"],
  table: ["Table", "表格", "جدول"],
  refused_origin: ["The chat is not set up for this page.", "这个页面没有开通聊天。", "الدردشة غير مفعّلة لهذه الصفحة."],
  refused_site: [
    "This chat does not exist. The page may be out of date.",
    "聊天不存在，页面可能已过期。",
    "هذه الدردشة غير موجودة. قد تكون الصفحة قديمة.",
  ],
  refused_other: [
    "The chat cannot go on here. Please reload the page.",
    "聊天无法在这里继续，请刷新页面。",
    "لا يمكن متابعة الدردشة هنا. أعد تحميل الصفحة.",
  ],
  identify: ["Please sign in to chat with us.", "请先登录再聊天。", "سجّل الدخول للدردشة معنا."],
  identity_invalid: [
    "Your sign-in was not accepted. Please sign in again.",
    "登录信息无效，请重新登录。",
    "لم يُقبل تسجيل دخولك. سجّل الدخول مجددًا.",
  ],
  new_window: ["opens in a new tab", "在新标签页打开", "يفتح في تبويب جديد"],
  error: ["That did not work. Please try again.", "没有成功，请再试一次。", "لم ينجح ذلك. حاول مجددًا."],
  // By the code of the refusal.
  [ErrorCode.text_too_long]: ["The message is too long.", "消息太长了。", "الرسالة طويلة جدًا."],
  [ErrorCode.conversation_closed]: ["This conversation has ended.", "对话已经结束。", "انتهت هذه المحادثة."],
  [ErrorCode.conversation_full]: ["This conversation is full. End it and start a new one.", "这次对话已满，请结束后重新开始。", "امتلأت هذه المحادثة. أنهها وابدأ واحدة جديدة."],
  [ErrorCode.too_many_conversations]: ["Too many conversations for now. Please try again later.", "对话太多了，请稍后再试。", "محادثات كثيرة الآن. حاول لاحقًا."],
  [ErrorCode.rate_limited]: ["Too many messages at once. Please wait a moment.", "消息太频繁，请稍等。", "رسائل كثيرة دفعة واحدة. انتظر لحظة."],
  [ErrorCode.unavailable]: ["The chat is not available at the moment.", "聊天暂时不可用。", "الدردشة غير متاحة الآن."],
} satisfies Readonly<Record<string, Translated<string> | Translated<(n: number) => string> | Translated<(name: string) => string>>>;

export type Strings = { readonly [K in keyof typeof TEXTS]: (typeof TEXTS)[K][0] } & Readonly<Record<number, string>>;

const SPOKEN = Object.fromEntries(
  LANGUAGES.map((language, at) => [
    language,
    Object.fromEntries(Object.entries(TEXTS).map(([name, texts]) => [name, texts[at]])) as Strings,
  ]),
);
const RIGHT_TO_LEFT = /^(ar|arc|ckb|dv|fa|he|ks|ps|sd|ug|ur|yi)$/;

const base = (language: string): string => language.toLowerCase().split("-")[0]!;

export const strings_of = (language: string): Strings => SPOKEN[base(language)] ?? SPOKEN["en"]!;

/** The language the panel's own words are in, for `lang`. */
export const spoken = (language: string): string => (base(language) in SPOKEN ? language : "en");

export const direction_of = (language: string): "ltr" | "rtl" => (RIGHT_TO_LEFT.test(base(language)) ? "rtl" : "ltr");

/** A site's text in the language, or in another way of the same language, or in its first. */
export function in_language<T>(texts: Readonly<Record<string, T>>, language: string): T | undefined {
  return (
    texts[language] ??
    Object.entries(texts).find(([tag]) => base(tag) === base(language))?.[1] ??
    Object.values(texts)[0]
  );
}
