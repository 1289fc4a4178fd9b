// The self-test of the prerequisites page. Each answer is a <details> that explains itself, so the page works without
// this script; it only counts the first answer to each question, and offers to start again.
{
  const questions = [...document.querySelectorAll(".gc-question")];
  const score = document.querySelector(".gc-score");
  const firsts = new Map();

  function tell() {
    const right = [...firsts.values()].filter(answer => answer.classList.contains("gc-right")).length;
    words.textContent = firsts.size
      ? `${right} of ${firsts.size} right at the first try; ${questions.length - firsts.size} questions left. `
      : `${questions.length} questions. `;
    again.hidden = !firsts.size;
  }

  const words = document.createElement("span");
  const again = document.createElement("button");
  again.type = "button";
  again.textContent = "Start again";
  again.addEventListener("click", () => {
    firsts.clear();
    document.querySelectorAll(".gc-answer").forEach(answer => {
      answer.open = false;
      answer.classList.remove("gc-first");
    });
    tell();
    questions[0].querySelector("summary").focus();
  });

  if (score && questions.length) {
    score.append(words, again);
    questions.forEach(question => {
      question.querySelectorAll(".gc-answer").forEach(answer => {
        answer.addEventListener("toggle", () => {
          if (!answer.open || firsts.has(question)) return;
          firsts.set(question, answer);
          answer.classList.add("gc-first");
          tell();
        });
      });
    });
    tell();
  }
}
