//! The words that matter where a person is asked for, and what each stands for. Words are in the form of
//! [`crate::text::Normal`]: lower case, no apostrophes.

use super::concepts::Concept;
use Concept::{
    About, Aid, Asked, Be, Before, Chief, Craft, Filler, Goods, Machine, Not, Person, Please, Present, Real, Request,
    Somebody, Someone, Summons, Team, Way, When, Who,
};

/// A word that is in two lines counts for the first.
pub(super) const ENGLISH: &[(Concept, &str)] = &[
    (
        Person,
        "human humans person persons people ppl agent agents representative representatives rep reps operator staff \
         employee employees colleague colleagues advisor advisors adviser advisers specialist csr individual",
    ),
    (Summons, "rengong zhuanrengong"),
    (Someone, "somebody someone anybody anyone whoever sb"),
    (Chief, "manager managers supervisor supervisors boss owner"),
    (Team, "team support service care assistant member members department sales"),
    (
        Request,
        "talk talking speak speaking chat connect connected transfer transferred put hand handover forward redirect \
         pass switch escalate escalated get give gimme bring fetch want wanna need prefer rather let reach contact \
         join take answer handle handled insist demand request tlk speek wish step jump ask route direct involve \
         invite find word touch deal discuss continue id",
    ),
    (Please, "please pls plz now asap immediately urgent finally"),
    (Aid, "help assist assistance helped look over call called ring phone message write reply respond"),
    (Real, "real live actual being personally personal proper"),
    (Not, "dont not no never cant wont without stop nobody anymore refuse skip bypass didnt doesnt isnt"),
    (
        Machine,
        "bot bots robot robots machine machines computer ai automated automatic chatbot chatbots software automation",
    ),
    (When, "when where hours number email mail address open opening time located cost costs long fast many"),
    (Way, "how why what which"),
    (Who, "who whom whose"),
    (Be, "does do are is am has have did had"),
    (Before, "yesterday already was said told spoke talked ago thanks later were promised last"),
    (Present, "available online around free there here"),
    (
        Goods,
        "tea teas pot teapot cup cups gift present parcel delivery tasting price discount kettle sign send buy pay per \
         two shop order card courier driver photo picture leaves job hiring bank customs voucher",
    ),
    (About, "for about"),
    (
        Filler,
        "a an the to of i me my you your ur u it its this that with in on at and or but so be been can could would \
         will may might should im youre we us our if from by as one some just really very directly ok okay hi hello \
         yes sorry then else like any ill lets",
    ),
];

/// The longest word that fits is taken: "机器人" before "人".
pub(super) const CHINESE: &[(Concept, &str)] = &[
    (Machine, "机器人 機器人 机器 機器 自动回复 智能客服 机器客服 智能助手 自动客服"),
    (
        Craft,
        "人工智能 人工湖 人工费 人工費 人工采 人工成本 人工香精 人工色素 人工甜味 人工添加 人工种 人工培 人工打磨 \
         人工炒 人工包装 人工干预 人工做 人工制",
    ),
    (
        Summons,
        "找人工 叫人工 换人工 换成人工 转人工 轉人工 专人工 转人公 转人共 接人工 要人工 人工坐席 坐席 座席 找人 叫人 \
         换人 換人 派人 来人 喊人 找个人 叫个人 换个人 派个人 来个人 喊个人 跟人说 跟人聊 和人说 和人聊 跟人讲 \
         和人沟通 跟人沟通 跟人对话 跟人谈 找客服 转客服 接客服 叫客服 转售后 找售后 转人 让人 人来 人回 有人工 \
         找真人 要真人 转真人",
    ),
    (
        Person,
        "人工 真人 活人 客服 工作人员 工作人員 人员 人員 同事 店员 店員 专人 专员 專員 员工 員工 店家 店里的人 \
         你们的人 人公 人共 课服 克服 售后 人呢 真的人 懂的人",
    ),
    (Chief, "经理 經理 店長 店长 负责人 負責人 领导 老板 老闆 主管 管事的 能做主 店主 管事"),
    (Not, "不要 不想 不用 不需要 别再 别 沒 没 不必 没必要 不找 不跟 不和 跳过 关掉 走开 不 勿"),
    (
        When,
        "几点 什么时候 多久 时间 电话 电話 邮箱 地址 微信 上班 下班 休息 周末 几个 多少 哪里 排队 排隊 热线 号码 收费 \
         晚上 几天 多长",
    ),
    (Way, "怎么 是什么 什么 哪个 为什么"),
    (Who, "是谁 谁 哪位"),
    (Asked, "吗 嗎 么 是不是 还是"),
    (Present, "在吗 在么 在嗎 在不在 在线 呢 出来 有没有 有吗"),
    (Before, "昨天 之前 已经 说过 说可以 说的 聊过 上次 答应 态度 刚才 刚刚"),
    (
        Goods,
        "应聘 招聘 采摘 炒 打磨 香精 色素 成本 手工 送人 个人 别人 没人 茶 壶 快递 代 邻居 朋友 门口 海关 代收 签收 \
         推荐 送 买",
    ),
    (Somebody, "有人"),
    (
        Request,
        "转接 轉接 转 轉 接通 接 找 叫 喊 要 让 讓 换 換 联系 聯絡 聯繫 安排 呼叫 给我 給我 帮我 幫我 跟 和 与 来 來 \
         想 需要 求 处理 回答 回复 说话 聊 派 连线 连接 咨询 沟通 谈 对话 介入 跟进 对接 申请 请求 要求",
    ),
    (Please, "请 請 麻烦 麻煩 快 马上 立刻 直接 急 拜托"),
    (
        Filler,
        "我 你 您 们 們 的 了 吧 啊 一下 一个 一個 个 可以 能 能不能 谢谢 就 一位 位 给 為 为 这 這 好 也 都 是 可否 \
         能否 那",
    ),
];

/// What a question begins with that is about the one who answers, and not a request.
pub(super) const ASKS_WHO_ANSWERS: [&str; 9] =
    ["are you ", "you are ", "youre ", "you sound ", "am i ", "你是", "你们是", "我在跟", "我在和"];

/// English words that look like a misspelling of a listed one and are none.
pub(super) const NO_MISSPELLINGS: [&str; 6] = ["arent", "humane", "react", "stuff", "taking", "tough"];
