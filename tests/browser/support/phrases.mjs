// What is said in the pictures, and the widget's own words for the buttons that lead from state to state.

/**
 * @typedef {object} Phrases
 * @property {string} question
 * @property {string[]} answer the pieces of its Markdown
 * @property {[question: string, beginning: string][]} cut_off answers that do not come to their end
 * @property {string} unanswerable
 * @property {string[]} offline
 * @property {string} person
 * @property {Record<"stop" | "options" | "talk" | "end" | "erase" | "erase_yes", string>} buttons
 */

/** @type {Record<"en" | "zh" | "ar", Phrases>} */
export const PHRASES = {
  en: {
    question: "Which tea should I start with, and how do I brew it?",
    answer: [
      "**Cloud Mist** is a good first green tea: sweet, with a taste of chestnut and fresh peas.\n\n",
      "1. Let boiling water cool for five minutes, to 75–80 °C\n2. Take 3 g of leaf for 200 ml\n3. Wait two minutes, ",
      "then pour it all out\n\nThe same leaves are good for three infusions. More about it is on [its own page](https://hollowhill.example/cloud-mist).",
    ],
    cut_off: [
      ["And a pot for it?", "A gaiwan is enough for the start. If you would rather have a pot, Pot No. 3 "],
      ["What does shipping cost?", "Within the European Union it is €4.95, and free from "],
    ],
    unanswerable: "Do you have something from 1998?",
    offline: ["I am on a train, one moment", "Can you hold a bag of Cloud Mist for me?", "I would pick it up on Saturday"],
    person: "It is for a wedding, about 80 guests.",
    buttons: { stop: "Stop", options: "More options", talk: "Talk to a person", end: "End conversation", erase: "Delete all I wrote", erase_yes: "Delete" },
  },
  zh: {
    question: "我刚开始喝茶，选哪一款好？怎么泡？",
    answer: [
      "**云雾**很适合入门：清甜，有板栗和鲜豌豆的香气。\n\n",
      "1. 水烧开后放凉五分钟，到 75–80 °C\n2. 200 毫升水放 3 克茶叶\n3. 泡两分钟，",
      "然后全部倒出\n\n同样的茶叶可以泡三次。更多内容见[商品页面](https://hollowhill.example/zh/cloud-mist)。",
    ],
    cut_off: [
      ["用什么壶好？", "刚开始用盖碗就够了。如果想要壶，三号壶"],
      ["运费是多少？", "欧盟境内运费 4.95 欧元，满"],
    ],
    unanswerable: "有 1998 年的老茶吗？",
    offline: ["我在火车上，稍等", "可以帮我留一包云雾吗？", "我周六来取"],
    person: "婚礼用的，大约八十位客人。",
    buttons: { stop: "停止", options: "更多选项", talk: "转人工", end: "结束对话", erase: "删除我的全部记录", erase_yes: "删除" },
  },
  ar: {
    question: "أي شاي أبدأ به، وكيف أحضّره؟",
    answer: [
      "شاي **Cloud Mist** بداية جيدة: أخضر حلو بطعم الكستناء والبازلاء الطازجة.\n\n",
      "1. اترك الماء المغلي خمس دقائق حتى يبرد إلى 75–80 °C\n2. خذ 3 غ من الأوراق لكل 200 مل\n3. انتظر دقيقتين، ",
      "ثم اسكبه كله\n\nتكفي الأوراق نفسها لثلاث مرات. تجد المزيد في [صفحته](https://hollowhill.example/cloud-mist).",
    ],
    cut_off: [
      ["وأي إبريق يناسبه؟", "يكفيك gaiwan في البداية. وإن أردت إبريقًا فإن Pot No. 3 "],
      ["كم يكلف الشحن؟", "داخل الاتحاد الأوروبي 4.95 يورو، ومجانًا ابتداءً من "],
    ],
    unanswerable: "هل عندكم شاي من سنة 1998؟",
    offline: ["أنا في القطار، لحظة", "هل تحجزون لي كيسًا من Cloud Mist؟", "سآخذه يوم السبت"],
    person: "إنه لحفل زفاف، نحو ثمانين ضيفًا.",
    buttons: { stop: "إيقاف", options: "خيارات أخرى", talk: "تحدث إلى موظف", end: "إنهاء المحادثة", erase: "حذف كل ما كتبته", erase_yes: "حذف" },
  },
};
