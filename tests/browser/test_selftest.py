"""The self-test as a reader without a mouse meets it, and as one without JavaScript does."""

from __future__ import annotations

from playwright.sync_api import Browser, expect

PAGE = "book/prerequisites.html"


def test_it_is_answered_with_the_keyboard(browser: Browser, base: str) -> None:
    page = browser.new_page()
    trouble: list[str] = []
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.goto(f"{base}/{PAGE}")
    score = page.locator(".gc-score")
    expect(score).to_contain_text("12 questions")
    first = page.locator(".gc-question").first
    summaries = first.locator("summary")
    summaries.nth(0).focus()
    page.keyboard.press("Enter")
    expect(first.get_by_text("This is the square of the mean")).to_be_visible()
    expect(score).to_contain_text("0 of 1 right at the first try; 11 questions left")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    expect(summaries.nth(1)).to_be_focused()
    expect(score).to_contain_text("0 of 1 right")  # only the first answer counts
    page.locator(".gc-question").nth(1).locator(".gc-right > summary").press("Enter")
    expect(score).to_contain_text("1 of 2 right")
    score.get_by_role("button", name="Start again").press("Enter")
    expect(score).to_contain_text("12 questions")
    assert page.locator(".gc-answer[open]").count() == 0
    expect(summaries.nth(0)).to_be_focused()
    page.close()
    assert trouble == []


def test_every_right_answer_counts(browser: Browser, server: str) -> None:
    page = browser.new_page()
    page.goto(f"{server}/{PAGE}")
    for summary in page.locator(".gc-right > summary").all():
        summary.press("Enter")
    expect(page.locator(".gc-score")).to_contain_text("12 of 12 right at the first try; 0 questions left")
    page.close()


def test_it_explains_itself_without_javascript(browser: Browser, server: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{server}/{PAGE}")
    answer = page.locator(".gc-answer").first
    answer.locator("summary").click()
    expect(answer.get_by_text("This is the square of the mean")).to_be_visible()
    expect(page.locator(".gc-score")).to_be_hidden()
    context.close()
