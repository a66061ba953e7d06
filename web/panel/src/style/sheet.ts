// The panel's style sheet, in the order that the rules rely on.

import answer from "./answer.css?inline";
import foot from "./foot.css?inline";
import frame from "./frame.css?inline";
import surroundings from "./surroundings.css?inline";
import transcript from "./transcript.css?inline";

export const css = frame + transcript + answer + foot + surroundings;
